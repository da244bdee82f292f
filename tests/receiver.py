"""A receiver of messages on this machine: a real HTTP server that keeps what is posted to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

PATH = "/services/T0001/B0001/a-secret-path"


@dataclass
class Receiver:
    """Its address, the texts that came, and the status it answers with."""

    url: str
    texts: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    status: int = 200


@contextmanager
def receiver() -> Iterator[Receiver]:
    """One that listens while in here."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.types.append(self.headers["Content-Type"])
            found.texts.append(json.loads(body)["text"])
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Receiver(f"http://127.0.0.1:{server.server_port}{PATH}")
        Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()
