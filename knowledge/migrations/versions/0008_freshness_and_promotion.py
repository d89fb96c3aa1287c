"""Freshness and promotion: since when changes wait, what served compared with what is proven, closed collections."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "freshness",
        sa.Column("collection", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waiting", sa.JSON, nullable=False),
        sa.Column("missed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "comparison",
        sa.Column("collection", sa.String(64), primary_key=True),
        sa.Column("night", sa.Date, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("proven", sa.Integer, nullable=False),
        sa.Column("differences", sa.JSON, nullable=False),
    )
    op.create_table(
        "closure",
        sa.Column("collection", sa.String(64), primary_key=True),
        sa.Column("good", sa.Integer, nullable=False),
        sa.Column("bad", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
