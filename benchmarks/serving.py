"""The champion served beside the dense net it was pruned from: `python -m benchmarks.serving MODEL`.

Each is served by the server of `snnprune serve`, one after the other. Clients that wait for each answer send images of
the experiment's test split. Per net and size of a request: requests a second, milliseconds from sending one to its
answer (half of them, 99 of 100), and the memory of the server process afterwards.
"""

import argparse
import http.client
import json
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from flows.environment import HOST, set_defaults
from flows.registry.registry import Registry, title_of
from flows.registry.serve import serving
from pipeline.io.files import write_json
from pipeline.io.paths import data_folder
from pipeline.io.store import load_dataset
from pipeline.promotion.params import ALIAS
from snnprune.core.errors import UserError

WARM_UP = 20  # requests before the clock


@dataclass(frozen=True)
class Measured:
    """What one net does with requests of one size."""

    net: str
    images: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    memory_mb: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.splitlines()[0])
    parser.add_argument("model", help="its name in the registry, such as digits")
    parser.add_argument("--alias", default=ALIAS)
    parser.add_argument("--images", type=int, nargs="+", default=[1, 64], help="of a request")
    parser.add_argument("--requests", type=int, default=400, help="of each size")
    parser.add_argument("--clients", type=int, default=2, help="that send them side by side")
    parser.add_argument("--json", type=Path, help="every figure")
    options = parser.parse_args(arguments)
    set_defaults()
    registry = Registry(Path.cwd())
    version = registry.holder(options.model, options.alias)
    if version is None:
        raise UserError(f"{options.model}: no version has the alias {options.alias!r}")
    images = load_dataset(data_folder(version.tags["experiment"])).test.images.numpy().astype(np.float32)
    nets = {title_of(version): registry.fetch(version)[0], "dense": registry.fetch_dense(version)}
    found = []
    for net, path in nets.items():
        with serving(path, free_port(), net) as (server, url):
            for size in options.images:
                bodies = bodies_of(images, size, options.clients)
                found.append(measure(net, size, url, server.pid, bodies, options.requests))
    print("\n".join(table(found)))
    if options.json:
        write_json(options.json, [asdict(one) for one in found])


def bodies_of(images: np.ndarray, size: int, count: int) -> list[bytes]:
    """Requests of `size` images each, one for every client."""
    batches = [
        np.take(images, range(start, start + size), axis=0, mode="wrap") for start in range(0, count * size, size)
    ]
    return [json.dumps({"inputs": batch.tolist()}).encode() for batch in batches]


def measure(net: str, size: int, url: str, pid: int, bodies: Sequence[bytes], requests: int) -> Measured:
    """Send the requests, shared out among as many clients as there are bodies. Raises RuntimeError: an answer is not
    200."""
    each = max(1, requests // len(bodies))
    with ThreadPoolExecutor(len(bodies)) as clients:
        list(clients.map(lambda body: send(url, body, WARM_UP), bodies))
        start = time.perf_counter()
        seconds = np.concatenate(list(clients.map(lambda body: send(url, body, each), bodies)))
        wall = time.perf_counter() - start
    p50, p99 = np.percentile(1000 * seconds, [50, 99])
    memory = psutil.Process(pid).memory_info().rss / 2**20
    return Measured(net, size, len(seconds) / wall, float(p50), float(p99), memory)


def send(url: str, body: bytes, count: int) -> list[float]:
    """Seconds of each of `count` requests on one connection."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        seconds.append(time.perf_counter() - start)
        if answer.status != http.client.OK:
            raise RuntimeError(f"{url} answers {answer.status}: {content[-300:]!r}")
    connection.close()
    return seconds


def table(found: Sequence[Measured]) -> list[str]:
    """Markdown, a row per net and size."""
    rows = ["| net | images a request | requests/s | p50 ms | p99 ms | memory MB |", "|---|---:|---:|---:|---:|---:|"]
    return rows + [
        f"| {one.net} | {one.images} | {one.requests_per_second:.0f} | {one.p50_ms:.1f} | {one.p99_ms:.1f} "
        f"| {one.memory_mb:.0f} |"
        for one in found
    ]


def free_port() -> int:
    """One of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    main()
