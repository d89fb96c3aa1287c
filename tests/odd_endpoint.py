"""An endpoint on this machine that says exactly what a test tells it to, which no well-made server would."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class OddEndpoint(ThreadingHTTPServer):
    """Answers every POST with `body`, or breaks off where it is cut short. heard: the bodies that came in."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.daemon_threads = True
        self.heard: list[bytes] = []
        self.say(b"")

    def say(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None, cut: bool = False):
        self.body, self.status, self.headers, self.cut = body, status, dict(headers or {}), cut

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: OddEndpoint

    def do_POST(self) -> None:
        self.server.heard.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body) + 100 * self.server.cut))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def odd_endpoint() -> Iterator[OddEndpoint]:
    with OddEndpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
