"""Models behind OpenAI-compatible endpoints: one attempt of one call. With batch_api.py, all that knows openai."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx2
import openai

from pipelines.calling.replies import Heard, as_object, one_line, read_completion, read_embeddings, since
from pipelines.calling.request import ChatRequest, EmbeddingRequest, Kind, ModelError, Reply, Request
from pipelines.calling.settings import Provider, Timeouts


class Endpoint:
    """One provider's models; opened at the first call, and bound to the event loop that makes it."""

    def __init__(self, provider: Provider, timeouts: Timeouts):
        self.provider = provider
        self._timeouts = timeouts
        self._opened: openai.AsyncOpenAI | None = None

    @property
    def _client(self) -> openai.AsyncOpenAI:
        if self._opened is None:
            self._opened = openai.AsyncOpenAI(
                api_key=self.provider.api_key,
                base_url=self.provider.base_url,
                max_retries=0,  # each attempt stands in the ledger, so none may be hidden
                timeout=httpx2.Timeout(self._timeouts.total_seconds, connect=self._timeouts.connect_seconds),
                http_client=openai.DefaultAioHttpClient(),  # half the CPU time of the default one
            )
        return self._opened

    async def send(self, model: str, request: Request) -> Reply:
        """One attempt. Raises ModelError, whatever went wrong on the way."""
        _ = self._client  # opened before the clock runs: certificates take a while to read
        try:
            async with asyncio.timeout(self._timeouts.total_seconds):
                if isinstance(request, EmbeddingRequest):
                    return await self._embed(model, request)
                return await (self._stream if request.stream else self._chat)(model, request)
        except TimeoutError:
            raise ModelError("timeout", f"no reply within {self._timeouts.total_seconds:g} s") from None
        except (openai.APIError, httpx2.RequestError, aiohttp.ClientError) as problem:
            raise model_error(problem) from None
        except UnicodeEncodeError:
            raise ModelError("rejected", "the request holds a character that UTF-8 has not") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()

    async def _chat(self, model: str, request: ChatRequest) -> Reply:
        started = time.perf_counter()
        # as text: the client's own parsing takes as long as all the rest of a call
        text = await self._client.post("/chat/completions", cast_to=str, body=chat_body(model, request, self.provider))
        return read_completion(text, model=model, latency_ms=since(started))

    async def _stream(self, model: str, request: ChatRequest) -> Reply:
        started = time.perf_counter()
        body = {**chat_body(model, request, self.provider), "stream": True, "stream_options": {"include_usage": True}}
        heard = Heard(started)
        try:
            async with asyncio.timeout(self._timeouts.first_token_seconds) as until_first:
                async for chunk in self._chunks(body):
                    heard.take(chunk)
                    if heard.first_token_ms is not None:
                        until_first.reschedule(None)
        except TimeoutError:
            if heard.first_token_ms is not None:
                raise
            limit = self._timeouts.first_token_seconds
            raise ModelError("timeout", f"no first token within {limit:g} s") from None
        return heard.reply(model)

    async def _chunks(self, body: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        # plain values: the client's own types take long to make, and warn of what other endpoints send
        post = self._client.post
        stream = await post(
            "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=openai.AsyncStream[object]
        )
        async with stream:
            try:
                async for chunk in stream:
                    yield as_object(chunk, "a piece of the stream")
            except (json.JSONDecodeError, UnicodeDecodeError) as problem:
                raise ModelError("malformed", f"a piece of the stream is unreadable ({one_line(problem)})") from None

    async def _embed(self, model: str, request: EmbeddingRequest) -> Reply:
        started = time.perf_counter()
        body: dict[str, Any] = {"model": model, "input": list(request.texts), "encoding_format": "base64"}
        body |= {"dimensions": request.dimensions} if request.shorten else {}
        text = await self._client.post("/embeddings", cast_to=str, body=body)
        return read_embeddings(text, request, model=model, latency_ms=since(started))


def chat_body(model: str, request: ChatRequest, provider: Provider) -> dict[str, Any]:
    """A chat request as the API takes it, without how it travels."""
    body = {
        "model": model,
        "messages": [dict(each) for each in request.messages],
        provider.limit_field: request.max_output_tokens,
        **request.options,
    }
    if request.schema:
        schema = {"name": request.schema.name, "strict": True, "schema": dict(request.schema.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def model_error(problem: openai.APIError | httpx2.RequestError | aiohttp.ClientError) -> ModelError:
    """What an error of the client means."""
    if isinstance(problem, openai.APIStatusError):
        return _status_error(problem)
    if isinstance(problem, openai.APIConnectionError):
        return _connection_error(problem)
    if isinstance(problem, openai.APIError):  # told inside a stream, when the model may have worked already
        return ModelError("reset", f"the stream ends in an error, {one_line(problem.message)}")
    return ModelError("reset", one_line(problem) or "the stream broke off")  # it breaks while it is read


def _status_error(problem: openai.APIStatusError) -> ModelError:
    """What a status means. Retry-After is in seconds or a date (RFC 9110, 10.2.3)."""
    status, code = problem.status_code, problem.code
    kind: Kind = "rejected"
    if status in (504, 524):  # a gateway gave up waiting; the model may have worked
        kind = "timeout"
    elif status == 429 and code != "insufficient_quota":
        kind = "rate_limit"
    elif status >= 500 or status in (408, 409):
        kind = "server_error"
    elif code == "content_filter":
        kind = "content_filter"
    detail = f"HTTP {status}, {one_line(problem.message)}"
    return ModelError(kind, detail, retry_after_seconds=_retry_after(problem.response.headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            seconds = _seconds_until(value)
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    return None


def _seconds_until(date: str) -> float:
    """NaN where it is no date."""
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return math.nan


def _connection_error(problem: openai.APIConnectionError) -> ModelError:
    """Whether anything was sent, by what aiohttp said: its adapter tells most errors as a time-out in connecting."""
    cause = problem.__cause__
    first = cause.__cause__ if cause and cause.__cause__ else cause
    why = one_line(first or "") or one_line(cause or problem)
    if isinstance(first, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | httpx2.UnsupportedProtocol):
        return ModelError("connection", why)
    if isinstance(first, TimeoutError):
        return ModelError("timeout", why)
    return ModelError("reset", why)
