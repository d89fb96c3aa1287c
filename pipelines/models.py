"""Models behind OpenAI-compatible endpoints: one attempt of one call. With batch_api.py, all that knows openai."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import numpy as np
import openai

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
        try:
            async with asyncio.timeout(self._timeouts.total_seconds):
                if isinstance(request, EmbeddingRequest):
                    return await self._embed(model, request)
                return await (self._stream if request.stream else self._chat)(model, request)
        except TimeoutError:
            raise ModelError("timeout", f"no reply within {self._timeouts.total_seconds:g} s") from None
        except (openai.APIError, httpx2.TransportError) as problem:
            raise model_error(problem) from None

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()

    async def _chat(self, model: str, request: ChatRequest) -> Reply:
        started = time.perf_counter()
        # as text: the client's own parsing takes as long as all the rest of a call
        text = await self._client.post("/chat/completions", cast_to=str, body=chat_body(model, request, self.provider))
        return read_completion(text, model=model, latency_ms=_since(started))

    async def _stream(self, model: str, request: ChatRequest) -> Reply:
        started = time.perf_counter()
        body = {**chat_body(model, request, self.provider), "stream": True, "stream_options": {"include_usage": True}}
        first_token_ms: float | None = None
        pieces: list[str] = []
        told: dict[str, Any] = {}
        try:
            async with asyncio.timeout(self._timeouts.first_token_seconds) as until_first:
                async for chunk in self._chunks(body):
                    told |= {name: chunk[name] for name in ("model", "system_fingerprint", "usage") if chunk.get(name)}
                    for choice in chunk.get("choices") or ():
                        piece = (choice.get("delta") or {}).get("content") or ""
                        if piece and first_token_ms is None:
                            first_token_ms = _since(started)
                            until_first.reschedule(None)
                        pieces.append(piece)
                        told["finish_reason"] = choice.get("finish_reason") or told.get("finish_reason")
        except TimeoutError:
            if first_token_ms is not None:
                raise
            limit = self._timeouts.first_token_seconds
            raise ModelError("timeout", f"no first token within {limit:g} s") from None
        if told.get("finish_reason") is None:
            raise ModelError("reset", "the stream ended before the reply did")
        choice = {"message": {"content": "".join(pieces)}, "finish_reason": told["finish_reason"]}
        return _completion({**told, "choices": [choice]}, model, _since(started), first_token_ms)

    async def _chunks(self, body: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        stream = await self._client.chat.completions.create(**body)
        async with stream:
            async for chunk in stream:
                yield chunk.to_dict()

    async def _embed(self, model: str, request: EmbeddingRequest) -> Reply:
        started = time.perf_counter()
        body: dict[str, Any] = {"model": model, "input": list(request.texts), "encoding_format": "base64"}
        body |= {"dimensions": request.dimensions} if request.shorten else {}
        text = await self._client.post("/embeddings", cast_to=str, body=body)
        return read_embeddings(text, request, model=model, latency_ms=_since(started))


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


def model_error(problem: openai.APIError | httpx2.TransportError) -> ModelError:
    """What an error of the client means."""
    if isinstance(problem, openai.APIStatusError):
        return _status_error(problem)
    if isinstance(problem, openai.APIConnectionError):
        return _connection_error(problem)
    if isinstance(problem, openai.APIError):  # an error that a stream tells in its middle
        return ModelError("server_error", _one_line(problem.message))
    return ModelError("reset", _one_line(problem) or "the stream broke off")  # it breaks while it is read


def read_completion(text: str, *, model: str, latency_ms: float) -> Reply:
    """The reply in a chat completion's JSON. Raises ModelError."""
    return _completion(json_object(text), model, latency_ms, None)


def read_embeddings(text: str, request: EmbeddingRequest, *, model: str, latency_ms: float) -> Reply:
    """The vectors in an embedding's JSON, each as base64 of float32; some endpoints give numbers. Raises ModelError."""
    content = json_object(text)
    usage = content.get("usage") or {}
    try:
        rows = sorted(content["data"], key=lambda row: row["index"])
        vectors = [_packed(row["embedding"]) for row in rows]
        widths = {len(base64.b64decode(vector, validate=True)) // 4 for vector in vectors}
    except (KeyError, TypeError, ValueError) as problem:
        raise ModelError("malformed", f"no vectors in the reply ({_one_line(problem)})") from None
    if len(vectors) != len(request.texts) or widths - {request.dimensions}:
        got = f"{len(vectors)} vectors of {sorted(widths)} dimensions"
        raise ModelError("malformed", f"{got} for {len(request.texts)} texts of {request.dimensions}")
    return Reply(
        payload={"vectors": vectors},
        model_served=str(content.get("model") or model),
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=0,
        latency_ms=latency_ms,
    )


def _packed(vector: object) -> str:
    return vector if isinstance(vector, str) else base64.b64encode(np.asarray(vector, np.float32).tobytes()).decode()


def _completion(content: dict[str, Any], model: str, latency_ms: float, first_token_ms: float | None) -> Reply:
    usage = content.get("usage") or {}
    choices = content.get("choices") or [{}]
    message = choices[0].get("message") or {}
    finish_reason = choices[0].get("finish_reason")
    reply = Reply(
        payload={"text": message.get("content") or message.get("refusal") or "", "finish_reason": finish_reason},
        model_served=str(content.get("model") or model),
        fingerprint=content.get("system_fingerprint"),
        input_tokens=usage.get("prompt_tokens"),
        cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
        output_tokens=usage.get("completion_tokens"),
        latency_ms=latency_ms,
        first_token_ms=first_token_ms,
    )
    if not content.get("choices"):
        raise ModelError("empty", "the reply holds no choices", reply=reply)
    if finish_reason == "content_filter":
        raise ModelError("content_filter", "the provider withholds its reply", reply=reply)
    return reply


def json_object(text: str) -> dict[str, Any]:
    """The object in a reply. Raises ModelError."""
    try:
        content = json.loads(text)
    except ValueError as problem:
        raise ModelError("malformed", f"the reply is not JSON ({_one_line(problem)})") from None
    if not isinstance(content, dict):
        raise ModelError("malformed", f"the reply is no JSON object but {type(content).__name__}")
    return content


def _status_error(problem: openai.APIStatusError) -> ModelError:
    """What a status means. Retry-After is in seconds or a date (RFC 9110, 10.2.3)."""
    status, code = problem.status_code, problem.code
    kind: Kind = "rejected"
    if status == 429 and code != "insufficient_quota":
        kind = "rate_limit"
    elif status >= 500 or status in (408, 409):
        kind = "server_error"
    elif code == "content_filter":
        kind = "content_filter"
    detail = f"HTTP {status}, {_one_line(problem.message)}"
    return ModelError(kind, detail, retry_after_seconds=_retry_after(problem.response.headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(float(value) * unit, 0.0)
        except ValueError:
            pass
        try:
            return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
        except ValueError:
            continue  # neither a number nor a date: as if it were not there
    return None


def _connection_error(problem: openai.APIConnectionError) -> ModelError:
    cause = problem.__cause__
    why = _one_line(cause or problem)
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.UnsupportedProtocol):
        return ModelError("connection", why or "nobody answers there")
    if isinstance(problem, openai.APITimeoutError):
        return ModelError("timeout", why or "no reply in time")
    return ModelError("reset", why or "the connection broke")


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())[:200]
