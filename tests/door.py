"""The door to models as tests open it: quick to give up, priced as the fault server prices, its ledger its own."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from knowledge import tables
from knowledge.call import Account, Amount
from knowledge.database import Database
from knowledge.ledger import Ledger
from pipelines.batch import Calls
from pipelines.calling.budget import Budgets
from pipelines.calling.request import ChatRequest
from pipelines.calling.settings import ModelSettings, Provider

TODAY = "2026-11-21"
ACCOUNT = Account("answer", "support", TODAY, run=f"support {TODAY}", reader="ann", segment="gold")
ROUTE = ("one/m-1", "one/m-2")
PRICE = {"input_usd_per_million": 0.15, "output_usd_per_million": 0.60}  # the fault server's own
QUICK: Mapping[str, Any] = {
    "timeouts": {"connect_seconds": 2, "first_token_seconds": 0.4, "total_seconds": 0.4},
    "retries": {"attempts": 2, "max_wait_seconds": 0.02},
    "prices": dict.fromkeys((*ROUTE, "one/dear"), PRICE),
}
PATIENT: Mapping[str, Any] = {**QUICK, "timeouts": {"total_seconds": 30}}


def ledger_in(folder: Path) -> Ledger:
    """The ledger of a folder."""
    return Ledger(database_in(folder))


def database_in(folder: Path) -> Database:
    """The state database of a folder, migrated already."""
    path = folder / "state.db"
    if not path.exists():
        path.write_bytes(_migrated())
    return Database(f"sqlite:///{path}")


@cache
def _migrated() -> bytes:
    folder = Path(tempfile.mkdtemp())
    database = Database(f"sqlite:///{folder / 'state.db'}")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
    database.engine.dispose()
    content = (folder / "state.db").read_bytes()
    shutil.rmtree(folder)
    return content


@contextmanager
def door(
    base_url: str,
    ledger: Path | Ledger,
    *,
    settings: Mapping[str, Any] = QUICK,
    budgets: Mapping[str, Any] | None = None,
) -> Iterator[Calls]:
    """Calls of the provider `one`, closed at the end."""
    calls = Calls(
        [Provider("one", base_url, "any")],
        ledger_in(ledger) if isinstance(ledger, Path) else ledger,
        settings=ModelSettings.model_validate(settings),
        budgets=Budgets.model_validate(budgets or {}),
        today=lambda: TODAY,
    )
    with closing(calls):
        yield calls


def chat(text: str = "How are you?", *, most: int = 20, **more: Any) -> ChatRequest:
    """A question."""
    return ChatRequest(({"role": "user", "content": text},), most, **more)


def buy(calls: Calls, *requests: ChatRequest, route: tuple[str, ...] = ROUTE[:1], **more: Any) -> list[Any]:
    """Results, and errors in their places, of requests that are made at once."""

    async def all_of_them() -> list[Any]:
        account = more.pop("account", ACCOUNT)
        bought = (calls.buy(each, route=route, account=account, **more) for each in requests)
        return await asyncio.gather(*bought, return_exceptions=True)

    return calls.run(all_of_them())


def rows(folder: Path) -> list[dict[str, Any]]:
    """Every attempt in the ledger, in order."""
    found = database_in(folder).rows(select(tables.ledger).order_by(tables.ledger.c.id))
    return [dict(each._mapping) for each in found]


def statuses(folder: Path) -> list[str]:
    """How the attempts stand, in order."""
    return [each["status"] for each in rows(folder)]


def spent(folder: Path) -> dict[str, Amount]:
    """What each scope has taken."""
    found = database_in(folder).rows(select(tables.spend))
    return {each.scope: Amount(each.tokens, each.cost_usd, each.milliseconds) for each in found}
