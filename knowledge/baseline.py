"""Baselines: which nights of one release an assistant is held against, frozen until somebody changes that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update

from knowledge import tables
from knowledge.database import Database


@dataclass(frozen=True, slots=True)
class Baseline:
    """The results of M nights (`runs`) of one release.

    parts: digests of what makes a release, by name; a night whose parts differ is not held against it.
    resets: the nights that were the last when somebody called an alarm false; evidence begins anew after each.
    """

    id: str
    assistant: str
    release: str
    parts: Mapping[str, str]
    runs: tuple[str, ...]
    made_at: datetime
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

    def make(self, assistant: str, *, release: str, parts: Mapping[str, str], runs: Sequence[str], by: str) -> Baseline:
        """Freeze nights as the baseline, in the place of the one before."""
        now = datetime.now(UTC)
        made = Baseline(f"{assistant} {now:%Y-%m-%d %H:%M:%S.%f}", assistant, release, dict(parts), tuple(runs), now)
        row = {
            "id": made.id,
            "assistant": assistant,
            "release": release,
            "parts": dict(parts),
            "runs": list(runs),
            "resets": [],
            "made_at": now,
        }
        with self._database.engine.begin() as connection:
            connection.execute(_end(assistant, now))
            connection.execute(insert(tables.baseline).values(**row))
            connection.execute(insert(tables.audit).values(**_entry(made, "make baseline", by, f"{len(runs)} runs")))
        return made

    def end(self, baseline: Baseline, *, by: str, reason: str) -> None:
        """Drop a baseline, as what it was made of has been changed on purpose; the nights from now on make the next."""
        now = datetime.now(UTC)
        with self._database.engine.begin() as connection:
            connection.execute(_end(baseline.assistant, now))
            connection.execute(insert(tables.audit).values(**_entry(baseline, "accept change", by, reason)))

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
    return Baseline(**{**row, "runs": tuple(row["runs"]), "resets": tuple(row["resets"])})
