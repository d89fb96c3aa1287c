"""What paid calls cost, their audit trail, and what a night forgets, through the commands a person uses."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet
import pytest
from checkout import Checkout
from sqlalchemy import select, update

from knowledge import tables
from knowledge.call import Account, Amount, Charge, Purchase, Reserved, Settlement
from knowledge.database import Database
from knowledge.ledger import Ledger

ASKED = {"messages": [{"role": "user", "content": "When?"}]}


@pytest.fixture
def paid(checkout: Checkout) -> Database:
    """Two settled calls and a failed one, one of them 40 days old."""
    (checkout.folder / "state").mkdir()
    database = Database(f"sqlite:///{checkout.folder / 'state/plumbline.db'}")
    account = Account("answer", "support", "2026-11-02")
    bought = [Purchase(f"{number}" * 64, account, "small", ASKED, Amount(100, 0.5, 1000.0)) for number in range(3)]
    ledger = Ledger(database)
    entries = [each.entry for each in ledger.commit(bought, []) if isinstance(each, Reserved)]
    ends = [
        Settlement(entry, "settled", Charge(70, 0, 7, 0.25, 900.0), reply={"text": "Now."}) for entry in entries[:2]
    ]
    ledger.commit([], [*ends, Settlement(entries[2], "failed", Charge(), reason="500")])
    then = datetime.now(UTC) - timedelta(days=40)
    with database.engine.begin() as connection:
        connection.execute(
            update(tables.ledger).where(tables.ledger.c.id == 1).values(reserved_at=then, settled_at=then)
        )
    return database


def test_what_calls_cost_is_shown(checkout: Checkout, paid: Database) -> None:
    said = checkout.json("ledger", "show")
    assert (said["calls"], said["cost_usd"], said["since"]) == (3, 0.5, None)
    (row,) = said["spending"]
    assert (row["assistant"], row["purpose"], row["model"], row["calls"]) == ("support", "answer", "small", 3)
    assert (row["failed"], row["unknown"], row["open"], row["input_tokens"], row["output_tokens"]) == (1, 0, 0, 140, 14)
    assert checkout.json("ledger", "show", "--since", "30")["cost_usd"] == 0.25
    screen = checkout.run("ledger", "show").stdout.splitlines()
    assert screen[0].split() == "support answer small 3 calls, 140 tokens in, 14 out, 0.5000 USD (1 failed)".split()
    assert screen[1] == "Cost         0.5000 USD in 3 calls"


def test_nothing_paid_is_told_in_words(checkout: Checkout) -> None:
    assert checkout.run("ledger", "show").stdout == "No call has been paid yet.\n"
    assert checkout.json("ledger", "show") == {"since": None, "calls": 0, "cost_usd": 0, "spending": []}


def test_the_audit_trail_is_exported(checkout: Checkout, paid: Database, tmp_path: Path) -> None:
    path = tmp_path / "trail.parquet"
    said = checkout.json("ledger", "export", str(path))
    assert said == {"file": str(path), "calls": 3, "bytes": path.stat().st_size}
    assert checkout.json("ledger", "export", str(path), "--since", "30")["calls"] == 2
    assert pyarrow.parquet.read_table(path)["status"].to_pylist() == ["settled", "failed"]
    assert "No such file or directory" in checkout.error("ledger", "export", str(tmp_path / "none/x.parquet"))


def test_looking_at_the_ledger_does_not_start_prefect(checkout: Checkout, paid: Database, tmp_path: Path) -> None:
    code = "\n".join(
        [
            "import sys; from flows.cli import cli",
            "cli.main(['ledger', 'show'], standalone_mode=False)",
            "cli.main(['ledger', 'export', sys.argv[1]], standalone_mode=False)",
            "print(sorted({'prefect', 'mlflow', 'lancedb', 'openai'} & set(sys.modules)))",
        ]
    )
    command = [sys.executable, "-P", "-c", code, str(tmp_path / "x.parquet")]
    done = subprocess.run(command, check=True, cwd=checkout.folder, env=checkout.environment(), capture_output=True)
    assert done.stdout.splitlines()[-1] == b"[]"


def test_a_night_forgets_texts_past_their_retention_and_says_how_many(
    checkout: Checkout, paid: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.nightly import forget_texts

    monkeypatch.chdir(checkout.folder)
    monkeypatch.setenv("PLUMBLINE_STATE", str(checkout.folder / "state"))
    forget_texts.__wrapped__()
    forget_texts.__wrapped__()
    assert capsys.readouterr().err == "ledger: texts are kept for 30 days; forgotten now: 1\n"
    replies = [row.reply for row in paid.rows(select(tables.ledger.c.reply).order_by(tables.ledger.c.id))]
    assert replies == [None, {"text": "Now."}, None]
    checkout.edit("params.yaml", "raw_text_days: 30", "raw_text_days: 0")
    assert "ledger.raw_text_days" in checkout.error("ledger", "show")
