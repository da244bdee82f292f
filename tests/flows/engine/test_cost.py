"""What stages cost: measured of real processes, added up by kind, and of the flow's stages that ran only."""

import sys
from pathlib import Path

import pytest

from flows.engine.cost import MIB, TOP, Cost, Usage, rows, spent_by_kind, table
from flows.engine.local import LocalExecutor
from flows.engine.stage import Stage
from flows.engine.stop import Stop
from flows.run import costs_of
from tests.flows.conftest import toy
from tests.flows.engine.flow import Log, bring_up

# Holds 150 MiB, and is busy until it has used 0.3 s of processor time; then it waits.
BUSY = """
import sys, time
held = bytearray(150 << 20)
while time.process_time() < 0.3:
    pass
time.sleep(float(sys.argv[1]))
"""


def cost_of(executor: LocalExecutor, folder: Path, *commands: str) -> Cost:
    return executor.run(Stage("a", commands=commands, root=folder, folder=folder), print, Stop()).cost


@pytest.mark.parametrize("libraries", [None, ["json"]], ids=["shell", "warm"])
def test_a_command_costs_what_its_process_took(tmp_path: Path, libraries: list[str] | None) -> None:
    (tmp_path / "busy.py").write_text(BUSY)
    cost = cost_of(LocalExecutor(libraries), tmp_path, "python -m busy 0.4")
    assert 0.3 <= cost.cpu_seconds < 30
    assert cost.wall_seconds >= 0.7 and cost.wall_seconds > cost.cpu_seconds
    if libraries is not None:  # the peak of a shell's command is known where it is above that of these tests
        assert 150 * MIB <= cost.peak_bytes < 400 * MIB
    assert cost.host


def test_a_peak_that_linux_takes_from_the_parent_is_no_peak(tmp_path: Path) -> None:
    """`true` holds a MiB; the process of these tests far more."""
    assert cost_of(LocalExecutor(None), tmp_path, "true").peak_bytes is None


def test_of_several_commands_times_are_added_and_the_highest_peak_counts(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(BUSY)
    (tmp_path / "idle.py").write_text("")
    commands = ["python -m idle", "python -m busy 0", "python -m busy 0"]
    cost = cost_of(LocalExecutor(["json"]), tmp_path, *commands)
    assert cost.cpu_seconds >= 0.6
    assert cost.peak_bytes >= 150 * MIB


def test_usage_adds_up() -> None:
    assert Usage(1.0, 5) + Usage(2.0, 3) == Usage(3.0, 5)
    assert Usage(1.0, None) + Usage(2.0, 3) == Usage(3.0, 3)
    assert Usage() + Usage() == Usage(0.0, None)


def test_kinds_by_the_time_they_took() -> None:
    """12 s in all: prune 9 s, three quarters; of the two peaks the higher one."""
    costs = {
        "prune@a-cqp-0": Cost(4.0, 3.5, 300 * MIB, "h"),
        "data@a": Cost(1.0, 0.5, None, "h"),
        "prune@a-cqp-1": Cost(5.0, 4.5, 200 * MIB, "other"),
        "train@a-0": Cost(2.0, 120.0, 250 * MIB, "h"),
    }
    assert [tuple(row.values()) for row in rows(spent_by_kind(costs))] == [
        ("prune", "2", "9.0 s", "8.0 s", "300 MiB", "75%"),
        ("train", "1", "2.0 s", "120 s", "250 MiB", "17%"),
        ("data", "1", "1.0 s", "0.5 s", "unknown", "8%"),
    ]
    assert table(spent_by_kind(costs)).splitlines()[1:] == [
        "stages  count   wall    CPU  peak memory  share",
        "prune       2  9.0 s  8.0 s      300 MiB    75%",
        "train       1  2.0 s  120 s      250 MiB    17%",
        "data        1  1.0 s  0.5 s      unknown     8%",
    ]


def test_the_longest_kinds_are_listed_and_shares_are_of_all() -> None:
    costs = {f"k{number}@a": Cost(float(number), 0.0, None, "h") for number in range(TOP + 1)}
    spent = spent_by_kind(costs)
    assert [one.kind for one in spent] == [f"k{number}" for number in range(TOP, 0, -1)]
    assert sum(one.share for one in spent) == pytest.approx(1.0)  # what is left out took no time
    assert table([]) == "" and spent_by_kind({}) == []


def test_the_flow_has_the_cost_of_what_it_ran_and_keeps_it_before_it_logs(tmp_path: Path) -> None:
    kept: list[tuple[str, str]] = []

    class Costs(Log):
        def keep_cost(self, key: str, cost: Cost) -> None:
            kept.append((key, cost.host))

    stages = "  a: {cmd: echo 1 > a.txt, outs: [a.txt]}\n  b: {cmd: cp a.txt b.txt, deps: [a.txt], outs: [b.txt]}\n"
    root = toy(tmp_path, stages)
    done = bring_up(root, "b", tracking=Costs())
    assert list(costs_of(done)) == ["a", "b"]
    assert kept == [(done[name].dvc_hash, done[name].cost.host) for name in "ab"]
    again = bring_up(root, "b", tracking=Costs())
    assert costs_of(again) == {} and len(kept) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="kills by Linux's numbers")
def test_a_stage_whose_process_was_killed_has_no_cost(tmp_path: Path) -> None:
    root = toy(tmp_path, "  a: {cmd: kill -9 $$, outs: [a.txt]}\n")
    with pytest.raises(Exception, match="killed by signal 9"):
        bring_up(root, "a")
