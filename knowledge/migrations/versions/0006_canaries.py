"""Canaries: which cases are asked first, chosen from which nights; git revision of a baseline; marks of the judge."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for name in ("pilot", "canary"):
        op.add_column("baseline", sa.Column(name, sa.JSON, nullable=False, server_default="[]"))
    op.add_column("baseline", sa.Column("git_revision", sa.String(40)))
    op.add_column("result", sa.Column("judge_score", sa.Float))
