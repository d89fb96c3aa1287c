"""A server on 127.0.0.1 that hands on requests to another one, and fails those it is told to."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class FaultyProxy(ThreadingHTTPServer):
    """`cut[path]`, `status[path]`: how often that request's body is cut, or answered by this status instead."""

    daemon_threads = True

    def __init__(self, upstream: tuple[str, int]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.cut: dict[str, int] = {}
        self.status: dict[str, tuple[int, int]] = {}
        self.asked: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def heal(self) -> None:
        self.cut.clear()
        self.status.clear()
        self.asked.clear()


class _Handler(BaseHTTPRequestHandler):
    server: FaultyProxy

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _hand_on(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked[f"{self.command} {path}"] += 1
        status, times = self.server.status.get(path, (0, 0))
        if times:
            self.server.status[path] = (status, times - 1)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = HTTPConnection(*self.server.upstream, timeout=10)
        size = int(self.headers.get("Content-Length") or 0)
        connection.request(self.command, self.path, self.rfile.read(size) or None, dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command == "GET" and self.server.cut.get(path, 0):
            self.server.cut[path] -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    do_GET = do_HEAD = _hand_on  # noqa: N815


@contextmanager
def faulty_proxy(upstream: tuple[str, int]) -> Iterator[FaultyProxy]:
    server = FaultyProxy(upstream)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
