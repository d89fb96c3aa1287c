"""When a call that failed is tried again."""

import random

from pydantic import Field

from knowledge.content import Content
from pipelines.calling.request import RETRIED, ModelError

FIRST_SECONDS, MOST_SECONDS = 0.5, 20.0  # the wait doubles from one to the other


class Retries(Content):
    """How often one model is tried: in a run that can wait, and while a person waits.

    max_wait_seconds: an endpoint that says to come back later than this is given up at once.
    """

    attempts: int = Field(default=6, ge=1, le=100)
    ask_attempts: int = Field(default=2, ge=1, le=100)
    max_wait_seconds: float = Field(default=60.0, ge=0)

    def wait_seconds(self, failed: int, problem: ModelError) -> float | None:
        """How long to wait after so many failed attempts; None when it is not worth another.

        What Retry-After says, a little later for each; else exponential, with jitter of half the wait.
        """
        if problem.kind not in RETRIED:
            return None
        after = problem.retry_after_seconds
        if after is not None:
            later = after + random.uniform(0, 0.1) * min(after, 1.0)
            return min(later, self.max_wait_seconds) if after <= self.max_wait_seconds else None
        backoff = min(FIRST_SECONDS * 2.0 ** (failed - 1), MOST_SECONDS)
        return min(backoff * random.uniform(0.5, 1.0), self.max_wait_seconds)
