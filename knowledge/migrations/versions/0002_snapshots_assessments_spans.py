"""Snapshots, assessments, and the spans of a result's trace."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("result", sa.Column("spans", sa.JSON))
    op.create_table(
        "snapshot",
        sa.Column("collection", sa.String(64), primary_key=True),
        sa.Column("night", sa.String(32), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("recipe_id", sa.String(16), nullable=False),
        sa.Column("documents", sa.Integer, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("corpus", sa.Text),
        sa.Column("made_at", MOMENT, nullable=False),
    )
    op.create_table(
        "assessment",
        sa.Column("trace_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("source", sa.String(128), primary_key=True),
        sa.Column("assistant", sa.String(64), nullable=False),
        sa.Column("night", sa.String(32), nullable=False),
        sa.Column("suite", sa.String(64), nullable=False),
        sa.Column("case_id", sa.String(128), nullable=False),
        sa.Column("case_digest", sa.String(16), nullable=False),
        sa.Column("value", sa.JSON),
        sa.Column("rationale", sa.Text),
        sa.Column("given_at", MOMENT, nullable=False),
    )
