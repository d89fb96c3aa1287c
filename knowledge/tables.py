"""The tables of the state database. A change here needs a migration in `knowledge/migrations/versions/`."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData()

# conditions of partial indexes; a query must repeat them word for word, as a bound value proves nothing to a planner
HELD = text("status IN ('reserved', 'settled')")
OPEN = text("status = 'reserved'")


class Moment(TypeDecorator[datetime]):
    """A point in time: stored as UTC, read back with its zone (SQLite would drop it)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC. Refuses a time without a zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """With its zone."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


night = Table(
    "night",
    metadata,
    Column("assistant", String(64), primary_key=True),
    Column("night", String(32), primary_key=True),  # scheduled local date, .2 .3 … for asked repeats
    Column("scheduled_on", Date, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("status", String(16), nullable=False),  # running, finished or abandoned
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("mlflow_run_id", String(64)),
    Column("summary", JSON),  # what the night says, once it is finished
)

result = Table(
    "result",
    metadata,
    Column("assistant", String(64), primary_key=True),
    Column("night", String(32), primary_key=True),
    Column("suite", String(64), primary_key=True),
    Column("case_id", String(128), primary_key=True),
    Column("repeat", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("case_digest", String(16), nullable=False),
    Column("release", String(16), nullable=False),
    Column("collection_version", Integer, nullable=False),
    Column("answer", JSON, nullable=False),  # text, citations, contexts, outcome, model, usage
    Column("scores", JSON, nullable=False),  # one entry a grader: value, passed, reason
    Column("passed", Boolean),  # null: could not be graded
    Column("judge_score", Float),  # 0 to 1; null: nobody judged
    Column("latency_ms", Float, nullable=False),
    Column("cost_usd", Float, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("spans", JSON),  # the trace's steps, as OpenTelemetry writes them
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("collection", String(64), primary_key=True),
    Column("doc_id", String(1024), primary_key=True),
    Column("doc_sha", String(64), nullable=False),
    Column("attempt_id", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False),
    Column("state", String(16), nullable=False),  # see QuarantineState in knowledge/record.py
    Column("accepted_at", Moment),  # null: newly kept out, no version serves with it yet
)

pointer = Table(
    "pointer",
    metadata,
    Column("assistant", String(96), primary_key=True),  # or collection:NAME where no assistant uses it
    Column("release", String(16), nullable=False),
    Column("versions", JSON, nullable=False),  # version of each collection
    Column("moved_by", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("moved_at", Moment, nullable=False),
)

freshness = Table(
    "freshness",
    metadata,
    Column("collection", String(64), primary_key=True),
    Column("source", String(64), primary_key=True),
    Column("checked_at", Moment, nullable=False),
    Column("waiting", JSON, nullable=False),  # by document, since when its oldest change is not served
    Column("missed", Boolean, nullable=False),  # was the target missed?
)

comparison = Table(
    "comparison",
    metadata,
    Column("collection", String(64), primary_key=True),
    Column("night", Date, primary_key=True),
    Column("version", Integer, nullable=False),  # what served after that night's check
    Column("proven", Integer, nullable=False),  # what it was compared with
    Column("differences", JSON, nullable=False),  # nDCG@10 of the former less that of the latter, by query
)

closure = Table(
    "closure",
    metadata,
    Column("collection", String(64), primary_key=True),  # no candidate of it moves a pointer
    Column("good", Integer, nullable=False),  # the version that was gone back to
    Column("bad", Integer, nullable=False),  # from this one
    Column("reason", Text, nullable=False),
    Column("since", Moment, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    Column("reason", Text, nullable=False),
)

source = Table(
    "source",
    metadata,
    Column("name", String(64), primary_key=True),  # sources given on the command line, without YAML
    Column("collection", String(64), nullable=False),
    Column("url", Text, nullable=False),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("collection", String(64), primary_key=True),
    Column("night", String(32), primary_key=True),  # or "by hand DATE TIME"
    Column("version", Integer, nullable=False),
    Column("recipe_id", String(16), nullable=False),
    Column("documents", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("corpus", Text),  # the `.dvc` text that restores the documents; null where no source is versioned
    Column("made_at", Moment, nullable=False),
)

assessment = Table(
    "assessment",
    metadata,
    Column("trace_id", String(64), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("source", String(128), primary_key=True),  # who gave it
    Column("assistant", String(64), nullable=False),
    Column("night", String(32), nullable=False),
    Column("suite", String(64), nullable=False),
    Column("case_id", String(128), nullable=False),
    Column("case_digest", String(16), nullable=False),
    Column("value", JSON),
    Column("rationale", Text),
    Column("given_at", Moment, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # numbered by the commit, which is alone
    Column("key", String(64), nullable=False),
    Column("request_digest", String(64), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("night", String(32), nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("assistant", String(64), nullable=False),
    Column("run", String(64), nullable=False),
    Column("reader", String(128), nullable=False),
    Column("segment", String(128), nullable=False),
    Column("status", String(16), nullable=False),  # see Status in knowledge/call.py
    Column("owner", String(128), nullable=False),  # the process that is buying; see knowledge/owner.py
    Column("batch", String(128)),  # the batch_job the call is part of
    Column("model_asked", String(128), nullable=False),
    Column("model_served", Text),
    Column("fingerprint", Text),
    Column("request", JSON(none_as_null=True)),  # null: past the retention of texts
    Column("reply", JSON(none_as_null=True)),
    Column("reason", Text),
    Column("input_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("output_tokens", Integer),
    Column("cost_usd", Float),
    Column("reserved_tokens", Integer, nullable=False),
    Column("reserved_usd", Float, nullable=False),
    Column("reserved_ms", Float, nullable=False),
    Column("latency_ms", Float),
    Column("first_token_ms", Float),
    Column("scopes", JSON, nullable=False),  # [[name, period], …]
    Column("reserved_at", Moment, nullable=False),
    Column("settled_at", Moment),
    Index(
        "ledger_held_key",  # what makes that nobody buys a key that another one has, or is buying
        "key",
        unique=True,
        sqlite_where=HELD,
        postgresql_where=HELD,
    ),
    Index("ledger_open", "owner", sqlite_where=OPEN, postgresql_where=OPEN),
    Index("ledger_night", "night", "assistant"),
    Index("ledger_request", "request_digest", "purpose"),
    Index("ledger_reserved_at", "reserved_at"),
)

batch_job = Table(
    "batch_job",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("provider", String(64), nullable=False),
    Column("model", String(128), nullable=False),
    Column("assistant", String(64), nullable=False),
    Column("night", String(32), nullable=False),
    Column("owner", String(128), nullable=False),  # the process that submits it
    Column("status", String(32), nullable=False),  # reserved, uploaded, then as the provider calls it
    Column("file_id", String(128)),  # the uploaded requests
    Column("batch_id", String(128)),  # as the provider calls it
    Column("opened_at", Moment, nullable=False),
    Column("claimed_at", Moment, nullable=False),
    Column("ended_at", Moment),  # null: some of its calls may still be without an end
)

spend = Table(
    "spend",
    metadata,
    Column("scope", String(192), primary_key=True),
    Column("period", String(64), primary_key=True),
    Column("tokens", BigInteger, nullable=False),  # spent and reserved together, as are the other two
    Column("cost_usd", Float, nullable=False),
    Column("milliseconds", Float, nullable=False),
)

baseline = Table(
    "baseline",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("assistant", String(64), nullable=False),
    Column("release", String(16), nullable=False),
    Column("parts", JSON, nullable=False),  # digest of each part of the release
    Column("runs", JSON, nullable=False),  # names of nights
    Column("pilot", JSON, nullable=False),  # names of the nights the canary was chosen from; none of them is a run
    Column("canary", JSON, nullable=False),  # cases; none: every night is whole
    Column("git_revision", String(40)),  # recorded, not compared; null outside a checkout
    Column("resets", JSON, nullable=False),  # names of nights after which evidence began anew
    Column("made_at", Moment, nullable=False),
    Column("ended_at", Moment),  # null: nights are held against it
)
