"""An index for the cost of a night: it had been read from the whole ledger, 12 s at 58,000 calls."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("ledger_night", "ledger", ["night", "assistant"])
