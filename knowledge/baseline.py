"""Baselines: which nights of one release an assistant is held against, frozen until somebody changes that."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from knowledge import tables
from knowledge.database import Database

LISTS = ("runs", "pilot", "canary", "resets")


@dataclass(frozen=True, slots=True)
class Baseline:
    """The results of M nights (`runs`) of one release.

    parts: digests of what makes a release, by name; a night whose parts differ is not held against it.
    canary: the cases asked first on adaptive nights, chosen from the nights `pilot`, none of which is a run.
    git_revision: what was checked out; recorded, not compared.
    resets: the nights that were the last when somebody called an alarm false; evidence begins anew after each.
    """

    id: str
    assistant: str
    release: str
    parts: Mapping[str, str]
    runs: tuple[str, ...]
    made_at: datetime
    pilot: tuple[str, ...] = ()
    canary: tuple[str, ...] = ()
    git_revision: str | None = None
    resets: tuple[str, ...] = ()
    ended_at: datetime | None = None

    def differing(self, parts: Mapping[str, str]) -> list[str]:
        """The parts of a release that are not the baseline's."""
        return sorted(name for name in {*self.parts, *parts} if self.parts.get(name) != parts.get(name))


class Baselines:
    """The baselines of a state database; an assistant has one at a time."""

    def __init__(self, database: Database):
        self._database = database

    def last(self, assistant: str) -> Baseline | None:
        """The newest baseline, also when it has ended; None before the first."""
        made = tables.baseline.c
        query = select(tables.baseline).where(made.assistant == assistant).order_by(made.made_at.desc()).limit(1)
        return next((_baseline(row._mapping) for row in self._database.rows(query)), None)

    def standing(self, assistant: str) -> Baseline | None:
        """The baseline that nights are held against."""
        last = self.last(assistant)
        return last if last and last.ended_at is None else None

    def made(self, assistant: str) -> int:
        """How many baselines an assistant has had."""
        query = select(func.count()).select_from(tables.baseline).where(tables.baseline.c.assistant == assistant)
        return int(self._database.rows(query)[0][0])

    def make(self, baseline: Baseline, *, by: str) -> None:
        """Let a baseline stand, in the place of the one before."""
        row = {each.name: getattr(baseline, each.name) for each in fields(baseline)}
        row |= {name: list(row[name]) for name in LISTS} | {"parts": dict(baseline.parts)}
        about = f"{len(baseline.runs)} runs"
        with self._database.engine.begin() as connection:
            connection.execute(_end(baseline.assistant, baseline.made_at))
            connection.execute(insert(tables.baseline).values(**row))
            connection.execute(insert(tables.audit).values(**_entry(baseline, "make baseline", by, about)))

    def end(self, baseline: Baseline, *, by: str, reason: str) -> Baseline:
        """Drop a baseline, as what it was made of has been changed on purpose; the nights from now on make the next."""
        now = datetime.now(UTC)
        with self._database.engine.begin() as connection:
            connection.execute(_end(baseline.assistant, now))
            connection.execute(insert(tables.audit).values(**_entry(baseline, "accept change", by, reason)))
        return replace(baseline, ended_at=now)

    def reset(self, baseline: Baseline, *, after: str, by: str, reason: str) -> Baseline:
        """Let evidence begin anew after a night, as its alarm was false; the results stay."""
        resets = [*baseline.resets, after]
        with self._database.engine.begin() as connection:
            connection.execute(update(tables.baseline).where(tables.baseline.c.id == baseline.id).values(resets=resets))
            connection.execute(insert(tables.audit).values(**_entry(baseline, "reset evidence", by, reason)))
        return replace(baseline, resets=tuple(resets))


def _end(assistant: str, now: datetime) -> Any:
    standing = tables.baseline.c.assistant == assistant, tables.baseline.c.ended_at.is_(None)
    return update(tables.baseline).where(*standing).values(ended_at=now)


def _entry(baseline: Baseline, action: str, by: str, reason: str) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC),
        "actor": by,
        "action": action,
        "subject": baseline.assistant,
        "before": None,
        "after": {"baseline": baseline.id, "runs": list(baseline.runs)},
        "reason": reason,
    }


def _baseline(row: Any) -> Baseline:
    return Baseline(**{**row, **{name: tuple(row[name]) for name in LISTS}})
