"""What a grader says."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Score:
    """value between 0 and 1; passed None means *could not grade*."""

    grader: str
    value: float
    passed: bool | None
    reason: str

    def as_row(self) -> dict[str, Any]:
        """The score as plain JSON values."""
        return asdict(self)
