"""Quarantine: what people decided about a document, and whether a version serves without it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("quarantine", sa.Column("state", sa.String(16), nullable=False, server_default="held"))
    op.add_column("quarantine", sa.Column("accepted_at", sa.DateTime(timezone=True)))
    # what was kept out before limits of the share were known serves already
    op.execute("UPDATE quarantine SET accepted_at = last_seen")
