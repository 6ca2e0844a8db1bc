"""A Prefect server in trouble: a real one behind a proxy that answers some requests itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen


class Trouble:
    """What the proxy answers by itself.

    Attributes:
        url: of the API, through the proxy.
        status: with which it answers.
        paths: a request is answered so when its path ends in one of these; () is none.
        times: how many requests are still to be answered so.
    """

    def __init__(self) -> None:
        self.url = ""
        self.status = 500
        self.paths: tuple[str, ...] = ()
        self.times = 0

    def strikes(self, path: str) -> bool:
        """Tell whether a request is answered by the proxy, and count it."""
        struck = self.times > 0 and path.endswith(self.paths)
        self.times -= struck
        return struck


@contextmanager
def troubled(api: str) -> Iterator[Trouble]:
    """Yield the trouble of a proxy before a Prefect API; there is none at first."""
    trouble, server_url = Trouble(), api.rstrip("/").removesuffix("/api")

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if trouble.strikes(self.path):
                self.give(trouble.status, b'{"detail": "in trouble"}')
                return
            kept = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
            request = Request(server_url + self.path, body or None, kept, method=self.command)
            try:
                with urlopen(request, timeout=30) as answer:
                    self.give(answer.status, answer.read())
            except HTTPError as error:
                self.give(error.code, error.read())

        do_GET = do_POST = answer  # noqa: N815 - so they must be called

        def give(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        trouble.url = f"http://127.0.0.1:{server.server_port}/api"
        Thread(target=server.serve_forever, daemon=True).start()
        yield trouble
        server.shutdown()
