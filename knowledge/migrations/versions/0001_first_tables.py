"""Nights, results, quarantine, pointer, audit, sources and the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "night",
        sa.Column("assistant", sa.String(64), primary_key=True),
        sa.Column("night", sa.String(32), primary_key=True),
        sa.Column("scheduled_on", sa.Date, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("mlflow_run_id", sa.String(64)),
        sa.Column("summary", sa.JSON),
    )
    op.create_table(
        "result",
        sa.Column("assistant", sa.String(64), primary_key=True),
        sa.Column("night", sa.String(32), primary_key=True),
        sa.Column("suite", sa.String(64), primary_key=True),
        sa.Column("case_id", sa.String(128), primary_key=True),
        sa.Column("repeat", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("case_digest", sa.String(16), nullable=False),
        sa.Column("release", sa.String(16), nullable=False),
        sa.Column("collection_version", sa.Integer, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("scores", sa.JSON, nullable=False),
        sa.Column("passed", sa.Boolean),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("collection", sa.String(64), primary_key=True),
        sa.Column("doc_id", sa.String(1024), primary_key=True),
        sa.Column("doc_sha", sa.String(64), nullable=False),
        sa.Column("attempt_id", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
    )
    op.create_table(
        "pointer",
        sa.Column("assistant", sa.String(96), primary_key=True),
        sa.Column("release", sa.String(16), nullable=False),
        sa.Column("versions", sa.JSON, nullable=False),
        sa.Column("moved_by", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("moved_at", MOMENT, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "source",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("collection", sa.String(64), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("night", sa.String(32), nullable=False),
        sa.Column("repeat", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("model_asked", sa.String(128), nullable=False),
        sa.Column("model_served", sa.String(128)),
        sa.Column("request", sa.JSON),
        sa.Column("reply", sa.JSON),
        sa.Column("input_tokens", sa.Integer),
        sa.Column("output_tokens", sa.Integer),
        sa.Column("cost_usd", sa.Float),
        sa.Column("latency_ms", sa.Float),
        sa.Column("reserved_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT),
        sa.UniqueConstraint("request_digest", "purpose", "night", "repeat", name="ledger_key"),
    )
