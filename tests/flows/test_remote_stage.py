"""One stage in another clone: inputs fetched, run there, taken in here; and what stands against it."""

import pickle
import subprocess
from pathlib import Path

import pytest

from flows.exchange import Exchange, ExchangeError
from flows.graph import Pipeline
from flows.lockfile import read_lock
from flows.process import StageFailed, Stopped, reproduce
from flows.remote_stage import Delivery, Order, clean_commit, deliver
from flows.stop import Stop
from tests.flows.conftest import clone_of, dvc, git, with_remote

TRAIN = "train@tiny-0"
TRAIN_FOLDER = Path("results/tiny/train/seed0")


def quiet(line: str) -> None:
    """The stages' output is not looked at."""


@pytest.fixture
def here(fresh: Path, tmp_path: Path) -> Path:
    """The coordinator's clone: `data` has been run, and there is an empty remote."""
    with_remote(fresh, tmp_path / "remote")
    reproduce("data@tiny", fresh, quiet, Stop())
    return fresh


@pytest.fixture
def worker(here: Path, tmp_path: Path) -> Path:
    return clone_of(here, tmp_path / "worker")


def order(here: Path, address: str) -> Order:
    exchange = Exchange(here)
    (stage,) = [stage for stage in Pipeline(here).needed_for(address) if stage.address == address]
    inputs = {other: exchange.publish(other) for other in stage.upstream}
    return Order(stage, clean_commit(here, exchange.outs()), inputs)


def delivered(here: Path, worker: Path) -> Delivery:
    return deliver(worker, order(here, TRAIN), quiet, Stop())


def test_a_result_comes_over_whole_and_nothing_is_left_to_do(here: Path, worker: Path) -> None:
    delivery = delivered(here, worker)
    assert (delivery.outcome, delivery.clone) == ("ran", str(worker))
    (here / TRAIN_FOLDER).mkdir(parents=True)
    (here / TRAIN_FOLDER / "curve.csv").write_text("an earlier result")
    Exchange(here).receive(TRAIN, delivery.entry)
    files = {path.name: path.read_bytes() for path in (worker / TRAIN_FOLDER).iterdir()}
    assert set(files) == {"model.safetensors", "curve.csv", "metrics.json"}  # two of them are for git, not for DVC
    assert {path.name: path.read_bytes() for path in (here / TRAIN_FOLDER).iterdir()} == files
    assert not any(path.is_symlink() for path in (here / TRAIN_FOLDER).iterdir())
    assert not Pipeline(here).is_changed(TRAIN)
    assert read_lock(here)[TRAIN] == read_lock(worker)[TRAIN]


def test_what_one_clone_has_published_another_does_not_run_again(here: Path, worker: Path, tmp_path: Path) -> None:
    first = delivered(here, worker)
    lines: list[str] = []
    second = deliver(clone_of(here, tmp_path / "other"), order(here, TRAIN), lines.append, Stop())
    assert (second.outcome, second.entry) == ("cached", first.entry)
    assert "train at work" not in lines
    assert delivered(here, worker).outcome == "cached"  # it still lies there


def test_only_what_the_run_cache_can_hold_is_portable(here: Path) -> None:
    exchange = Exchange(here)
    portable = {address for address in Pipeline(here).addresses() if exchange.is_portable(address)}
    assert portable == {TRAIN, "prune@tiny-cqp-0", "prune@tiny-magnitude-0", "layers@tiny"}


def test_a_failing_stage_comes_back_with_its_last_lines(here: Path, worker: Path) -> None:
    (worker / "break-train").touch()
    with pytest.raises(StageFailed) as failure:
        delivered(here, worker)
    assert "train is broken" in str(pickle.loads(pickle.dumps(failure.value)))


def test_a_request_to_stop_ends_it(here: Path, worker: Path) -> None:
    (worker / "wait-train").touch()
    stop = Stop()

    def stop_at_work(line: str) -> None:
        if line == "train at work":
            stop.ask()

    with pytest.raises(Stopped):
        deliver(worker, order(here, TRAIN), stop_at_work, stop)


def test_a_clone_at_another_commit_is_refused(here: Path, worker: Path) -> None:
    git(here, "commit", "-q", "--allow-empty", "-m", "Later")
    with pytest.raises(ExchangeError, match=f"{worker} .* is at commit"):
        delivered(here, worker)


def test_a_clone_with_changed_or_new_files_is_refused(here: Path, worker: Path) -> None:
    (worker / "stage.py").write_text("print()\n")
    with pytest.raises(ExchangeError, match="differs from its commit(.|\n)*stage.py"):
        delivered(here, worker)
    git(worker, "checkout", "-q", "stage.py")
    (worker / "more.py").touch()
    with pytest.raises(ExchangeError, match="differs from its commit(.|\n)*more.py"):
        delivered(here, worker)


def test_without_a_remote_nothing_is_handed_out(fresh: Path) -> None:
    with pytest.raises(ExchangeError, match="no default DVC remote"):
        Exchange(fresh)


def test_a_remote_that_lacks_the_input_is_named(here: Path, worker: Path, tmp_path: Path) -> None:
    dvc(worker, "remote", "add", "-q", "--local", "--default", "elsewhere", str(tmp_path / "elsewhere"))
    with pytest.raises(ExchangeError, match="does not have the files of data@tiny"):
        delivered(here, worker)


def test_files_that_dvc_lock_does_not_name_are_not_published(here: Path) -> None:
    (here / "results/tiny/data/dataset.json").write_text("{}")
    with pytest.raises(ExchangeError, match="not those that dvc.lock names"):
        Exchange(here).publish("data@tiny")
    with pytest.raises(ExchangeError, match=f"no entry of {TRAIN}"):
        Exchange(here).publish(TRAIN)


def test_a_folder_without_a_commit_is_refused(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with pytest.raises(ExchangeError, match=f"git in {tmp_path}"):
        clean_commit(tmp_path, [])
