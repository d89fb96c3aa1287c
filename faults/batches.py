"""The Batch API: files in memory, and batches whose state follows from the clock."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faults.replies import RefusedError, Reply, dump, read_json
from faults.settings import BatchEnd

VALIDATED, WORKED = 0.1, 0.9  # shares of a batch's time at which it is validated, and at which all lines are answered
CANCELLING = 0.1  # share of its time that a cancelled batch takes to end
EXPIRED = {"code": "batch_expired", "message": "This request could not be executed before the completion window."}


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file, or one that a batch has written."""

    id: str
    name: str
    purpose: str
    content: bytes
    created_at: int

    def as_row(self) -> dict[str, Any]:
        """As OpenAI writes it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch and the reply it gets. count: to be called when it is answered."""

    custom_id: str
    reply: Reply
    count: Callable[[], None]

    def as_row(self, batch: str, number: int) -> dict[str, Any]:
        """As it stands in the output file or the error file."""
        request = f"{batch}_req_{number}"
        response = {"status_code": self.reply.status, "request_id": request, "body": json.loads(self.reply.body)}
        return {"id": request, "custom_id": self.custom_id, "response": response, "error": None}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the input file of a batch."""

    line: int | None
    code: str
    message: str


@dataclass(slots=True)
class Batch:
    """A batch: its lines, and when it reaches which state. seconds: how long it takes; times are monotonic."""

    id: str
    endpoint: str
    input_file_id: str
    metadata: Mapping[str, str] | None
    lines: Sequence[Line]
    faults: Sequence[Fault]
    seconds: float
    ends: BatchEnd
    created: float = field(default_factory=time.monotonic)
    created_at: int = field(default_factory=lambda: int(time.time()))
    age: float = 0.0
    cancelled_after: float | None = None
    counted: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None

    def look(self) -> None:
        """Note the time: everything that is told of the batch is as of this look, so it fits together."""
        self.age = time.monotonic() - self.created

    def ways(self) -> list[tuple[str, float]]:
        """The states it goes through, each with the age at which it begins."""
        validated, worked = VALIDATED * self.seconds, WORKED * self.seconds
        if self.faults or self.ends == "failed":
            return [("validating", 0.0), ("failed", validated)]
        way = [("validating", 0.0), ("in_progress", validated)]
        if self.cancelled_after is not None:
            way = [each for each in way if each[1] <= self.cancelled_after]
            ended = self.cancelled_after + CANCELLING * self.seconds
            return [*way, ("cancelling", self.cancelled_after), ("cancelled", ended)]
        if self.ends == "expired":
            return [*way, ("expired", self.seconds)]
        return [*way, ("finalizing", worked), ("completed", self.seconds)]

    def reached(self) -> list[tuple[str, float]]:
        """The states it has gone through, the last one being its own."""
        return [each for each in self.ways() if each[1] <= self.age]

    @property
    def status(self) -> str:
        """Its state."""
        return self.reached()[-1][0]

    def answered(self) -> int:
        """How many lines are answered: all of them in the end, half of them where it expires."""
        if self.faults or self.ends == "failed":
            return 0
        age = min(self.age, self.seconds if self.cancelled_after is None else self.cancelled_after)
        span = (WORKED - VALIDATED) * self.seconds
        share = (age - VALIDATED * self.seconds) / span if span else 1.0
        most = len(self.lines) // 2 if self.ends == "expired" else len(self.lines)
        return min(most, max(0, int(share * len(self.lines))))


class Desk:
    """All files and batches."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.batches: dict[str, Batch] = {}
        self._made = 0

    def next_id(self, kind: str) -> str:
        """A new id of this kind."""
        self._made += 1
        return f"{kind}{self._made:06d}"

    def store(self, name: str, purpose: str, content: bytes) -> File:
        """Keep a file."""
        file = File(self.next_id("file-"), name, purpose, content, int(time.time()))
        self.files[file.id] = file
        return file

    def file(self, key: str) -> File:
        """A file by its id. Raises RefusedError."""
        if key not in self.files:
            raise RefusedError(f"No such File object: {key}", status=404)
        return self.files[key]

    def delete(self, key: str) -> dict[str, Any]:
        """Forget a file. Raises RefusedError."""
        del self.files[self.file(key).id]
        return {"id": key, "object": "file", "deleted": True}

    def batch(self, key: str) -> Batch:
        """A batch by its id, brought up to the present. Raises RefusedError."""
        if key not in self.batches:
            raise RefusedError(f"No batch found with id '{key}'.", status=404)
        self._advance(self.batches[key])
        return self.batches[key]

    def advance(self) -> None:
        """Bring every batch up to the present."""
        for each in self.batches.values():
            self._advance(each)

    def cancel(self, key: str) -> Batch:
        """Have a batch end early; what is answered stays. Raises RefusedError."""
        batch = self.batch(key)
        if batch.status not in ("validating", "in_progress", "finalizing", "cancelling"):
            raise RefusedError(f"Cannot cancel a batch with status '{batch.status}'.", status=409)
        if batch.cancelled_after is None:
            batch.cancelled_after = batch.age
            self._advance(batch)
        return batch

    def _advance(self, batch: Batch) -> None:
        batch.look()
        done = batch.answered()
        for line in batch.lines[batch.counted : done]:
            line.count()
        batch.counted = max(batch.counted, done)
        if batch.output_file_id or batch.error_file_id or batch.status not in ("completed", "expired", "cancelled"):
            return
        rows = [(line.reply.status, line.as_row(batch.id, number)) for number, line in enumerate(batch.lines[:done])]
        good = [row for status, row in rows if status == 200]
        bad = [row for status, row in rows if status != 200]
        if batch.status == "expired":
            left = enumerate(batch.lines[done:], start=done)
            ids = [(f"{batch.id}_req_{number}", line.custom_id) for number, line in left]
            bad += [{"id": key, "custom_id": name, "response": None, "error": EXPIRED} for key, name in ids]
        batch.output_file_id = self._write(f"{batch.id}_output.jsonl", good)
        batch.error_file_id = self._write(f"{batch.id}_error.jsonl", bad)

    def _write(self, name: str, rows: Sequence[Mapping[str, Any]]) -> str | None:
        content = b"".join(dump(row) + b"\n" for row in rows)
        return self.store(name, "batch_output", content).id if rows else None


def read_lines(content: bytes, endpoint: str) -> tuple[list[tuple[str, dict[str, Any]]], list[Fault]]:
    """The requests of an input file, each with its custom id, and what is wrong with them."""
    requests: dict[str, dict[str, Any]] = {}
    faults = []
    for number, text in enumerate(content.splitlines(), start=1):
        try:
            line = read_json(text)
        except RefusedError as refusal:
            faults.append(Fault(number, "invalid_json_line", str(refusal)))
            continue
        if problem := next(_problems(line, endpoint), None):
            faults.append(Fault(number, *problem))
        elif line["custom_id"] in requests:
            faults.append(Fault(number, "duplicate_custom_id", f"The custom_id '{line['custom_id']}' is used before."))
        else:
            requests[line["custom_id"]] = line["body"]
    if not requests and not faults:
        faults.append(Fault(None, "empty_file", "The input file is empty."))
    return list(requests.items()), faults


def _problems(line: Mapping[str, Any], endpoint: str) -> Iterator[tuple[str, str]]:
    if not isinstance(line.get("custom_id"), str):
        yield "missing_required_parameter", "The 'custom_id' parameter is missing."
    elif line.get("method") != "POST":
        yield "invalid_method", "The 'method' must be POST."
    elif line.get("url") != endpoint:
        yield "mismatched_endpoint", f"The 'url' must be {endpoint}, as the batch's endpoint."
    elif not isinstance(line.get("body"), dict):
        yield "missing_required_parameter", "The 'body' parameter is missing."


def describe(batch: Batch) -> dict[str, Any]:
    """A batch as OpenAI writes it."""
    answered = batch.lines[: batch.counted]
    completed = sum(line.reply.status == 200 for line in answered)
    failed = len(answered) - completed
    if batch.status == "expired":
        failed += len(batch.lines) - len(answered)
    faults = [{"line": each.line, "code": each.code, "message": each.message, "param": None} for each in batch.faults]
    names = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    reached = dict(batch.reached())
    times = {f"{name}_at": int(batch.created_at + reached[name]) if name in reached else None for name in names}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": {"object": "list", "data": faults} if faults and batch.status == "failed" else None,
        "input_file_id": batch.input_file_id,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": batch.created_at,
        "expires_at": batch.created_at + 24 * 3600,
        **times,
        "request_counts": {"total": len(batch.lines), "completed": completed, "failed": failed},
        "metadata": batch.metadata,
    }
