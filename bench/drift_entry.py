"""One line of `bench.drift`'s table: a goal, and what was attained."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """met: None where it was not measured. table: rule -> column -> what it attained."""

    goal: str
    what: str
    met: bool | None
    lines: list[str]
    table: dict[str, dict[str, str]] = field(default_factory=dict)
