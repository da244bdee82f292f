"""How MLflow's store grows: `python -m benchmarks.tracking`.

In a clone of the committed project, with so many runs in the store already, on SQLite and on PostgreSQL: seconds to log
a result (one method on one seed, a run with its children), seconds of `snnprune track` that finds nothing new, and
seconds until MLflow's page has the newest hundred runs. The runs that are there first are of the same experiment and
stage, of results that are no longer current, as a year of schedules leaves them.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from sqlalchemy import MetaData, create_engine, select

from benchmarks.flow import clone, run_in, seconds_of
from flows.environment import DEFAULTS, HOST, answers, stage_environment
from flows.tracking.location import VARIABLE, store_uri
from flows.tracking.runs import Tag
from flows.tracking.ui import server_command

EXPERIMENT, ADDRESS = "digits", "prune@digits-cqp-0"
METRICS = 20  # of each run that is there first
TABLES = ("runs", "tags", "params", "metrics", "latest_metrics")  # that have rows of a run
AT_ONCE = 500  # runs copied by one statement
SCRIPT = Path("scripts/postgres.sh")
PORT = 5099
LOG = f"""
import time
from pathlib import Path
from flows.engine.lockfile import read_lock
from flows.tracking.store import Store
from pipeline.results.place import place_of
entry = read_lock(Path.cwd())[{ADDRESS!r}]
place = place_of(out["path"] for out in entry["outs"])
store = Store(Path.cwd())
start = time.monotonic()
outcome, *_ = store.log({ADDRESS!r}, place, entry)
print(outcome, time.monotonic() - start)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table, a row per store and number of runs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 10000], help="that are there first")
    parser.add_argument("--stores", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"])
    options = parser.parse_args(arguments)
    print("| store | runs before | log a result (s) | nothing is new (s) | open the page (s) |\n|---|---|---|---|---|")
    for kind in options.stores:
        for count in options.runs:
            with TemporaryDirectory(prefix="tracking-") as folder, _store(kind):
                project = clone(Path(folder) / "project", "none", "full")
                _measure(kind, project, count)


def _measure(kind: str, project: Path, count: int) -> None:
    run_in(project, [sys.executable, "-m", "flows.tracking.replay", EXPERIMENT])  # makes store and experiment
    uri = store_uri(project)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    _fill(client, uri, experiment, count)
    for run in client.search_runs([experiment], f"tags.{Tag.STAGE} = '{ADDRESS}' and tags.{Tag.CURRENT} = 'true'"):
        client.delete_run(run.info.run_id)  # so that it is logged again
    outcome, seconds = run_in(project, [sys.executable, "-c", LOG]).split()[-2:]
    if outcome != "logged":
        raise SystemExit(f"{ADDRESS} was {outcome}, not logged")
    nothing = seconds_of(project, [sys.executable, "-m", "flows.tracking.replay", EXPERIMENT])
    page = _seconds_to_open(project, uri, experiment)
    print(f"| {kind} | {count} | {float(seconds):.1f} | {nothing:.1f} | {page:.2f} |", flush=True)


def _fill(client: MlflowClient, uri: str, experiment: str, count: int) -> None:
    """Runs of earlier results of the stage, each finished: one is logged, and its rows are copied."""
    now = int(time.time() * 1000)
    tags = {Tag.STAGE: ADDRESS, Tag.KEY: "0" * 32, Tag.CURRENT: "false", Tag.CHILDREN: "0"}
    first = client.create_run(experiment, run_name="prune/cqp/seed0", tags=tags).info.run_id
    metrics = [Metric(f"metric-{index}", index / 7, now, 0) for index in range(METRICS)]
    client.log_batch(first, metrics, [Param("level", "0.9")], [RunTag("method", "cqp")])
    client.set_terminated(first)
    engine = create_engine(uri)
    tables = MetaData()
    tables.reflect(engine, only=TABLES)
    with engine.begin() as connection:
        for table in map(tables.tables.__getitem__, TABLES):
            rows = connection.execute(select(table).where(table.c.run_uuid == first)).mappings().all()
            for start in range(1, count, AT_ONCE):
                connection.execute(
                    table.insert(),
                    [
                        _copied(row, f"{number:032x}")
                        for number in range(start, min(start + AT_ONCE, count))
                        for row in rows
                    ],
                )
    engine.dispose()


def _copied(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The row, of the run and the result of this name."""
    copy = {**row, "run_uuid": name}
    return {**copy, "value": name} if copy.get("key") == Tag.KEY else copy


def _seconds_to_open(project: Path, uri: str, experiment: str) -> float:
    """What the page asks for first, of a server that is up."""
    url = f"http://{HOST}:{PORT}"
    environment = {**DEFAULTS, **stage_environment()}
    server = subprocess.Popen(
        server_command(uri, PORT), cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        if not answers(f"{url}/health", server):
            raise SystemExit("MLflow's server did not come up")
        asked = {"experiment_ids": [experiment], "max_results": 100, "order_by": ["attributes.start_time DESC"]}
        start = time.monotonic()
        session = requests.Session()
        session.trust_env = False  # a proxy knows nothing of this machine
        session.get(url, timeout=600).raise_for_status()
        session.post(f"{url}/api/2.0/mlflow/runs/search", json=asked, timeout=600).raise_for_status()
        return time.monotonic() - start
    finally:
        server.terminate()
        server.wait()


@contextmanager
def _store(kind: str) -> Iterator[None]:
    """While in here, MLflow's store is the project's SQLite file, or a PostgreSQL server of its own."""
    os.environ.pop(VARIABLE, None)
    if kind == "sqlite":
        yield
        return
    with TemporaryDirectory(prefix="postgres-") as folder:
        printed = run_in(Path.cwd(), [str(SCRIPT), "start", folder])
        try:
            os.environ[VARIABLE] = printed.split(f"{VARIABLE}=")[1].split()[0]
            yield
        finally:
            os.environ.pop(VARIABLE, None)
            run_in(Path.cwd(), [str(SCRIPT), "stop", folder])


if __name__ == "__main__":
    main()
