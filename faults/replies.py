"""What goes back to a caller: a reply with what it charges, or a refusal in OpenAI's shape."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that are charged."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def as_row(self) -> dict[str, int]:
        """As OpenAI writes it."""
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it goes over the wire. chunks: the events of a stream, in place of `body`."""

    body: bytes = b""
    status: int = 200
    usage: Usage = Usage()
    chunks: tuple[bytes, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class RefusedError(Exception):
    """The call cannot be answered; what is sent in place of a reply."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    @property
    def reply(self) -> Reply:
        """The refusal as a reply."""
        return error_reply(str(self), status=self.status, code=self.code)


def json_reply(content: object, *, usage: Usage | None = None) -> Reply:
    """A reply with this content."""
    return Reply(dump(content), usage=usage or Usage())


def error_reply(message: str, *, status: int, code: str | None = None, headers: dict[str, str] | None = None) -> Reply:
    """An error in OpenAI's shape."""
    kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": None, "code": code}
    return Reply(dump({"error": error}), status=status, headers=headers or {})


def dump(content: object) -> bytes:
    """JSON as it goes over the wire."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises RefusedError."""
    try:
        content = json.loads(body)
        if b"\\ud" in body.lower():  # half of a character, alone: JSON can spell it, but no text can hold it
            dump(content)
    except (ValueError, RecursionError) as problem:  # of its bytes, of its JSON, of its depth
        raise RefusedError(f"We could not parse the JSON body of your request ({problem}).") from None
    if not isinstance(content, dict):
        raise RefusedError("The body of your request must be a JSON object.")
    return content
