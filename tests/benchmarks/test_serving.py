"""The load test of serving, against a server that answers at once: what it sends, what it counts, what it refuses."""

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest

from benchmarks.serving import WARM_UP, Measured, bodies_of, measure, table


class Answer(BaseHTTPRequestHandler):
    """Keeps what it gets; 400 for an empty list."""

    protocol_version = "HTTP/1.1"
    got: list[list]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.append(body["inputs"])
        answer = b"{}"
        self.send_response(200 if body["inputs"] else 400)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Answer.got = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_every_client_sends_its_own_images_as_often_as_asked(server: str) -> None:
    bodies = bodies_of(np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1), size=2, count=2)
    found = measure("net", 2, server, os.getpid(), bodies, requests=10)
    first, second = ([[[[0.0]]], [[[1.0]]]], [[[[2.0]]], [[[0.0]]]])  # the images go round
    assert sorted(Answer.got) == sorted([first, second] * (WARM_UP + 5))
    assert (found.net, found.images) == ("net", 2)
    assert 0 < found.p50_ms <= found.p99_ms
    assert found.memory_mb > 0 and found.requests_per_second > 0


def test_an_answer_that_is_none_ends_it(server: str) -> None:
    with pytest.raises(RuntimeError, match=f"{server} answers 400"):
        measure("net", 0, server, os.getpid(), [b'{"inputs": []}'], requests=1)


def test_the_table_to_the_letter() -> None:
    assert table([Measured("cqp@0.90/seed0", 64, 123.4, 5.67, 8.91, 400.2)])[2] == (
        "| cqp@0.90/seed0 | 64 | 123 | 5.7 | 8.9 | 400 |"
    )
