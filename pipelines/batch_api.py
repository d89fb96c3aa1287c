"""The Batch API of an OpenAI-compatible endpoint: one request each, and what its files say."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import httpx2
import openai

from pipelines.calling.replies import json_object, read_completion
from pipelines.calling.request import ChatRequest, ModelError, Reply
from pipelines.calling.settings import Provider, Timeouts
from pipelines.models import chat_body, model_error

CHAT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
MARK = "plumbline_job"  # in a batch's metadata: what makes that it is found again
CLOCKS = timedelta(days=1)  # more than the clocks of two machines are apart

ENDED = frozenset(("completed", "failed", "expired", "cancelled"))


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the provider tells it. problems: what is wrong with the requests' file, in words."""

    id: str
    status: str
    output_file: str | None
    error_file: str | None
    problems: str


class BatchDesk:
    """One provider's files and batches. Every method is one request (`find`: a few) and raises ModelError."""

    def __init__(self, provider: Provider, timeouts: Timeouts):
        self.provider = provider
        self._timeouts = timeouts
        self._opened: openai.OpenAI | None = None

    @property
    def _client(self) -> openai.OpenAI:
        if self._opened is None:
            self._opened = openai.OpenAI(
                api_key=self.provider.api_key,
                base_url=self.provider.base_url,
                max_retries=0,  # a batch that is made twice is paid twice
                timeout=httpx2.Timeout(self._timeouts.total_seconds, connect=self._timeouts.connect_seconds),
            )
        return self._opened

    def upload(self, name: str, lines: Sequence[bytes]) -> str:
        """Keep a file of requests there; its id."""
        with _told():
            raw = self._client.files.with_raw_response.create(file=(name, b"\n".join(lines)), purpose="batch")
            return _text(json_object(raw.text), "id")

    def create(self, file_id: str, *, job: str) -> RemoteBatch:
        """Begin a batch of an uploaded file, marked with our job."""
        with _told():
            raw = self._client.batches.with_raw_response.create(
                input_file_id=file_id, endpoint=CHAT, completion_window="24h", metadata={MARK: job}
            )
            return _remote(json_object(raw.text))

    def find(self, job: str, *, since: datetime) -> RemoteBatch | None:
        """The batch that is marked with our job, among those made since a moment."""
        oldest = (since - CLOCKS).timestamp()
        after: str | None = None
        with _told():
            while True:
                raw = self._client.batches.with_raw_response.list(limit=100, after=after or openai.omit)
                page = json_object(raw.text)
                rows = [row for row in page.get("data") or () if isinstance(row, dict)]
                for row in rows:
                    if (row.get("metadata") or {}).get(MARK) == job:
                        return _remote(row)
                if not rows or not page.get("has_more") or rows[-1].get("created_at", 0) < oldest:
                    return None
                after = _text(rows[-1], "id")

    def look(self, batch_id: str) -> RemoteBatch | None:
        """How far a batch is; None where the provider has none of this id."""
        with _told():
            try:
                return _remote(json_object(self._client.batches.with_raw_response.retrieve(batch_id).text))
            except openai.NotFoundError:
                return None

    def cancel(self, batch_id: str) -> None:
        """Ask for a batch to end early. It has not ended yet when this returns."""
        with _told():
            self._client.batches.with_raw_response.cancel(batch_id)

    def read(self, file_id: str) -> bytes | None:
        """The content of a file; None where the provider has it no more."""
        with _told():
            try:
                return self._client.files.content(file_id).content
            except openai.NotFoundError:
                return None

    def delete(self, file_id: str) -> None:
        """Forget a file, if it is still there."""
        with _told(), suppress(openai.NotFoundError):
            self._client.files.with_raw_response.delete(file_id)

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            self._opened.close()


def write_line(custom_id: str, model: str, request: ChatRequest, provider: Provider) -> bytes:
    """One request of a batch's file."""
    body = chat_body(model, request, provider)
    line = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}
    return json.dumps(line, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Told:
    """What the files of a batch say of each of its requests, by custom id. unreadable: lines that say nothing."""

    outcomes: Mapping[str, Reply | ModelError]
    unreadable: int


def read_told(content: bytes | None, *, model: str) -> Told:
    """An output file or an error file, whatever stands in it; None: it is gone, so nothing of it can be read."""
    if content is None:
        return Told({}, 1)
    outcomes: dict[str, Reply | ModelError] = {}
    unreadable = 0
    for line in content.splitlines():
        try:
            row = json_object(line.decode())
            outcomes[_text(row, "custom_id")] = _outcome(row, model)
        except (ModelError, UnicodeDecodeError):
            unreadable += bool(line.strip())
    return Told(outcomes, unreadable)


def _outcome(row: Mapping[str, Any], model: str) -> Reply | ModelError:
    response, error = (each if isinstance(each, dict) else {} for each in (row.get("response"), row.get("error")))
    if response.get("status_code") == 200:
        try:
            return read_completion(json.dumps(response.get("body")), model=model, latency_ms=0.0)
        except ModelError as problem:
            return problem
    if not error:
        body = response.get("body")
        error = (body.get("error") if isinstance(body, dict) else None) or {}
    told = error if isinstance(error, dict) else {"message": error}
    words = [
        f"HTTP {response['status_code']}" if "status_code" in response else "",
        told.get("code"),
        told.get("message"),
    ]
    return ModelError("rejected", "in its batch: " + ", ".join(str(each) for each in words if each)[:300])


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (openai.APIError, httpx2.TransportError) as problem:
        raise model_error(problem) from None


def _remote(row: Mapping[str, Any]) -> RemoteBatch:
    errors = row.get("errors")
    faults = errors.get("data") if isinstance(errors, dict) else None
    said = [str(each.get("message") or each.get("code")) for each in faults or () if isinstance(each, dict)]
    output, error = (str(row[name]) if row.get(name) else None for name in ("output_file_id", "error_file_id"))
    return RemoteBatch(_text(row, "id"), _text(row, "status"), output, error, "; ".join(said)[:300])


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ModelError("malformed", f"the reply has no '{name}'")
    return value
