"""The ledger spares opening MLflow when there is nothing to log, and never hides that something is missing."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flows.engine.lockfile import key_of, read_lock
from flows.tracking.ledger import find_logged
from flows.tracking.replay import track
from flows.tracking.store import Store
from flows.tracking.tracking import Tracking
from pipeline.results.place import place_of
from tests.flows.conftest import store_of
from tests.flows.tracking.conftest import RUNS, STAGES, log, search
from tests.processes import within

ADDRESS = "evaluate@tiny"
DATABASE = Path("mlruns/mlflow.db")
LEDGER = Path("mlruns/mlflow.ledger.json")
NET = Path("results/tiny/prune/cqp/seed0/nets/level-0.50.safetensors")


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Grows by one whenever MLflow opens the store."""
    seen: list[Path] = []
    opened = Store.__init__

    def see(store: Store, root: Path, *arguments: object) -> None:
        seen.append(root)
        opened(store, root, *arguments)

    monkeypatch.setattr(Store, "__init__", see)
    return seen


def run_of(project: Path, address: str = ADDRESS) -> str:
    (run,) = [run for run in search(project) if run.info.run_name == STAGES[address]]
    return run.info.run_id


def client(project: Path) -> MlflowClient:
    return MlflowClient(store_of(project))


def log_other_result(project: Path) -> None:
    Tracking(project, print).log(ADDRESS, {**read_lock(project)[ADDRESS], "cmd": "another"})


def die_while(owner: type, method: str) -> Callable[[Path], None]:
    def log_half(project: Path) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(owner, method, lambda *_: (_ for _ in ()).throw(OSError("killed")))
            log_other_result(project)

    return log_half


def log_twice(project: Path) -> None:
    entry = read_lock(project)[ADDRESS]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Store, "_runs", lambda *_: [])  # as if another clone wrote it at the same time, on a server
        Store(project).log(ADDRESS, place_of(out["path"] for out in entry["outs"]), entry)


DISTURBANCES: dict[str, Callable[[Path], object]] = {
    "run deleted": lambda project: client(project).delete_run(run_of(project)),
    "net deleted": lambda project: client(project).delete_run(search(project, "tags.kind = 'net'")[0].info.run_id),
    "experiment deleted": lambda project: client(project).delete_experiment(search(project)[0].info.experiment_id),
    "not current": lambda project: client(project).set_tag(run_of(project), "current", "false"),
    "other result": log_other_result,
    "other result, killed before it was current": die_while(MlflowClient, "set_tag"),
    "other result, killed while it was written": die_while(Store, "_fill"),
    "followed": lambda project: Store(project).grow(
        ADDRESS, place_of(out["path"] for out in read_lock(project)[ADDRESS]["outs"]), [], {}
    ),
    "logged twice": log_twice,
    "database deleted": lambda project: DATABASE.unlink(),
    "all deleted": lambda project: shutil.rmtree(DATABASE.parent),
    "ledger damaged": lambda project: LEDGER.write_text('{"stamp": [], "runs": {"tiny": {"data@tiny": {}}}}'),
    "ledger not read": lambda project: LEDGER.write_bytes(b"\xff"),
}


@pytest.mark.parametrize("name", DISTURBANCES)
def test_whatever_happened_to_the_store_the_next_run_asks_mlflow_and_puts_it_right(
    project: Path, openings: list[Path], name: str
) -> None:
    log(project)
    DISTURBANCES[name](project)
    openings.clear()
    assert log(project).counts.total() == len(STAGES)
    assert len(openings) == 1
    key = key_of(read_lock(project)[ADDRESS])
    current = search(project, "tags.current = 'true'")
    assert sorted(run.info.run_name for run in current) == RUNS
    assert all(run.data.tags["dvc_hash"] == key for run in current if run.data.tags["dvc_stage"] == ADDRESS)
    assert all(run.info.status == "FINISHED" for run in search(project))
    log(project)
    assert len(openings) == 1  # the ledger is right again


def test_what_is_there_is_known_without_opening_mlflow(project: Path, openings: list[Path]) -> None:
    entries = read_lock(project)
    pages = [Tracking(project, print).log(address, entry) for address, entry in entries.items()]
    log(project)
    openings.clear()
    tracking = Tracking(project, print)
    assert [tracking.log(address, entry) for address, entry in entries.items()] == pages
    assert tracking.keys == {address: key_of(entry) for address, entry in entries.items()}
    assert openings == []
    track()  # verifies
    assert len(openings) == 1


def test_a_write_of_another_program_between_two_results_is_noticed(project: Path, openings: list[Path]) -> None:
    log(project)
    openings.clear()
    tracking, entries = Tracking(project, print), read_lock(project)
    tracking.log("data@tiny", entries["data@tiny"])
    client(project).delete_run(run_of(project))
    tracking.log(ADDRESS, entries[ADDRESS])
    assert tracking.counts == {"present": 1, "logged": 1}


def test_a_write_that_leaves_size_and_time_is_noticed(project: Path) -> None:
    log(project)
    before = DATABASE.stat()
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", [run_of(project)])
    os.utime(DATABASE, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert DATABASE.stat().st_size == before.st_size
    assert log(project).counts == {"present": len(STAGES) - 1, "logged": 1}


@pytest.mark.parametrize("end", ["-wal", "-journal"])
def test_while_somebody_writes_the_ledger_does_not_hold(project: Path, end: str) -> None:
    log(project)
    assert find_logged(DATABASE, "tiny", ADDRESS)
    Path(f"{DATABASE}{end}").write_bytes(b"pages")
    assert find_logged(DATABASE, "tiny", ADDRESS) is None


def test_another_entry_and_another_experiment_are_left_to_mlflow(project: Path, openings: list[Path]) -> None:
    log(project)
    openings.clear()
    log_other_result(project)
    tracking = Tracking(project, print, experiment_suffix=".overrides")
    tracking.log(ADDRESS, read_lock(project)[ADDRESS])
    assert len(openings) == 2


def test_a_result_without_weights_is_known_too_until_they_are_here(project: Path, openings: list[Path]) -> None:
    content = NET.read_bytes()
    NET.unlink()
    log(project)
    log(project)
    assert len(openings) == 1
    NET.write_bytes(content)
    log(project)
    log(project)
    assert len(openings) == 2


def test_the_store_is_opened_beside_what_runs(project: Path, openings: list[Path]) -> None:
    tracking = Tracking(project, print)
    tracking.prepare()
    assert within(30, lambda: len(openings) == 1)
    tracking.log(ADDRESS, read_lock(project)[ADDRESS])
    assert len(openings) == 1
