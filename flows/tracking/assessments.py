"""What people said in MLflow about the traces of the last nights, read back for the cases they were about."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flows.tracking.runs import Tracking
from knowledge.assessment import Assessment

PAGE = 500


@dataclass(frozen=True, slots=True)
class Heard:
    """The traces that were read, and what people said about them."""

    traces: frozenset[str]
    assessments: tuple[Assessment, ...]


def read_back(tracking: Tracking, assistant: str, since: datetime) -> Heard:
    """Feedback and expectations of people on an assistant's traces since a time; what programs said is left out."""
    experiment = tracking.experiment(assistant)
    wanted = f"timestamp_ms >= {int(since.timestamp() * 1000)}"
    traces: list[Any] = []
    token = None
    while True:
        page: Any = tracking.client.search_traces(
            locations=[experiment], filter_string=wanted, max_results=PAGE, page_token=token, include_spans=False
        )
        traces += [each.info for each in page if "plumbline.case" in each.info.tags]
        token = page.token
        if not token:
            break
    heard = [each for info in traces for each in _assessments(info)]
    return Heard(frozenset(info.trace_id for info in traces), tuple(heard))


def _assessments(info: Any) -> Iterator[Assessment]:
    # one that was overridden by a later one is kept by MLflow as not valid
    human = [each for each in info.assessments if each.source.source_type == "HUMAN" and each.valid is not False]
    for each in sorted(human, key=lambda one: one.last_update_time_ms):
        told = each.feedback or each.expectation
        if told is None:
            continue  # a link to an issue says nothing about the answer
        yield Assessment(
            trace_id=info.trace_id,
            name=each.name,
            source=each.source.source_id,
            assistant=info.tags["plumbline.assistant"],
            night=info.tags["plumbline.night"],
            suite=info.tags["plumbline.suite"],
            case_id=info.tags["plumbline.case"],
            case_digest=info.tags["plumbline.case_digest"],
            value=told.value,
            rationale=each.rationale,
            given_at=datetime.fromtimestamp(each.last_update_time_ms / 1000, UTC),
        )
