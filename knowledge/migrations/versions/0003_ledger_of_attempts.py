"""The ledger anew: a row for each attempt, batch jobs, and what budgets have spent; the first was never used."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.drop_table("ledger")
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("night", sa.String(32), nullable=False),
        sa.Column("repeat", sa.Integer, nullable=False),
        sa.Column("assistant", sa.String(64), nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("reader", sa.String(128), nullable=False),
        sa.Column("segment", sa.String(128), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("batch", sa.String(128)),
        sa.Column("model_asked", sa.String(128), nullable=False),
        sa.Column("model_served", sa.Text),
        sa.Column("fingerprint", sa.Text),
        sa.Column("request", sa.JSON),
        sa.Column("reply", sa.JSON),
        sa.Column("reason", sa.Text),
        sa.Column("input_tokens", sa.Integer),
        sa.Column("cached_tokens", sa.Integer),
        sa.Column("output_tokens", sa.Integer),
        sa.Column("cost_usd", sa.Float),
        sa.Column("reserved_tokens", sa.Integer, nullable=False),
        sa.Column("reserved_usd", sa.Float, nullable=False),
        sa.Column("reserved_ms", sa.Float, nullable=False),
        sa.Column("latency_ms", sa.Float),
        sa.Column("first_token_ms", sa.Float),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("reserved_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT),
    )
    held, open_ = sa.text("status IN ('reserved', 'settled')"), sa.text("status = 'reserved'")
    op.create_index("ledger_held_key", "ledger", ["key"], unique=True, sqlite_where=held, postgresql_where=held)
    op.create_index("ledger_open", "ledger", ["owner"], sqlite_where=open_, postgresql_where=open_)
    op.create_index("ledger_request", "ledger", ["request_digest", "purpose"])
    op.create_index("ledger_reserved_at", "ledger", ["reserved_at"])
    op.create_table(
        "batch_job",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("assistant", sa.String(64), nullable=False),
        sa.Column("night", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("file_id", sa.String(128)),
        sa.Column("batch_id", sa.String(128)),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("claimed_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
    )
    op.create_table(
        "spend",
        sa.Column("scope", sa.String(192), primary_key=True),
        sa.Column("period", sa.String(64), primary_key=True),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_usd", sa.Float, nullable=False),
        sa.Column("milliseconds", sa.Float, nullable=False),
    )
