"""What each flow says when it is done: frozen, and plain JSON at the doors."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from evals.access import Leak
from evals.compare import Comparison, PassRate
from evals.drift.decision import Verdict
from evals.freshness import Freshness
from evals.gate import GateVerdict
from evals.retrieval import SetQuality
from flows.report import DriftPictures
from knowledge.record import DocumentCounts, Rejected
from pipelines.ingestion.duplicates import NearDuplicates


@dataclass(frozen=True, slots=True)
class CorpusResult:
    """How many documents are kept under which revision; `unsent` says why the remote has not got them."""

    documents: int
    copied: int
    revision: str
    unsent: str | None


@dataclass(frozen=True, slots=True)
class IngestResult:
    """`version` is the candidate; `changes` names documents by change; `corpus` is what DVC keeps, if anything.

    `quarantine` is everything kept out now, `newly_quarantined` the documents among it that were not before.
    `stages` is where the seconds went; parse, split and hygiene count the time of every worker.
    `findings` counts the passages of the whole collection by kind of finding.
    """

    collection: str
    version: int
    documents: DocumentCounts
    chunks: int
    texts_embedded: int
    quarantine: tuple[Rejected, ...]
    recipe_id: str
    seconds: float
    newly_quarantined: tuple[str, ...] = ()
    corpus: CorpusResult | None = None
    changes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows_validated: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    near_duplicates: NearDuplicates = field(default_factory=NearDuplicates)

    def as_row(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`production_version` is what serves now; `moved` says whether this check moved it on, `rolled_back` whether back.

    `freshness` is of what serves. `proven_version` is what candidates are compared with. `leaks` is what was shown to
    whom it is not for. `per_query` is nDCG@10 by id of the labelled query; `whole` tells more of all of them, `by_tag`
    and `by_language` of some.
    """

    collection: str
    version: int
    freshness: tuple[Freshness, ...]
    metrics: dict[str, float]
    queries: int
    stale_queries: tuple[str, ...]
    verdict: GateVerdict
    reason: str
    production_version: int | None
    moved: bool
    seconds: float
    per_query: dict[str, float] = field(default_factory=dict)
    proven_version: int | None = None
    rolled_back: bool = False
    leaks: tuple[Leak, ...] = ()
    whole: SetQuality = field(default_factory=SetQuality)
    by_tag: dict[str, SetQuality] = field(default_factory=dict)
    by_language: dict[str, SetQuality] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Did the gate fail, or a source miss its freshness target?"""
        return self.verdict == "fail" or any(not each.met for each in self.freshness)

    def as_row(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        freshness = [each.as_row() for each in self.freshness]
        return {**asdict(replace(self, freshness=())), "freshness": freshness}


@dataclass(frozen=True, slots=True)
class FreshnessResult:
    """How fresh each source is in the version that serves; `newly_missed` names those that met their target before."""

    collection: str
    version: int
    verdict: Literal["met", "missed"]
    freshness: tuple[Freshness, ...]
    newly_missed: tuple[str, ...]
    seconds: float

    def as_row(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        freshness = [each.as_row() for each in self.freshness]
        return {**asdict(replace(self, freshness=())), "freshness": freshness}


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """`scores` by kind of case; `cases` has a row for each; `flips` has both nights' answers of those that flipped.

    `calls` counts those paid and those read from ledger and record; `cost_usd` is what the night's calls cost in all,
    whenever they were made. `missing` names the cases that no model answered. `drift` is how the assistant stands
    against its baseline, `drift_pictures` is drawn from all nights since and not kept with the night. `plan` is that of
    an adaptive night: how many were asked of how many cases, and why.
    """

    assistant: str
    night: str
    release: str
    collection_version: int
    scores: dict[str, PassRate]
    cases: tuple[dict[str, Any], ...]
    comparison: Comparison | None
    verdict: Verdict
    verdict_reason: str
    cost_usd: float
    calls: dict[str, int]
    seconds: float
    flips: tuple[dict[str, Any], ...] = ()
    missing: tuple[dict[str, Any], ...] = ()
    drift: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] | None = None
    drift_pictures: DriftPictures | None = None

    @property
    def whole(self) -> bool:
        """Was the whole suite asked, and not a canary alone?"""
        return self.plan is None or self.plan["asked"] >= self.plan["cases"]

    def as_row(self) -> dict[str, Any]:
        """The result as plain JSON values, without pictures."""
        row = asdict(replace(self, drift_pictures=None))
        del row["drift_pictures"]
        row["scores"] = {
            kind: {**asdict(each), "rate": each.rate, "interval": each.interval} for kind, each in self.scores.items()
        }
        return row
