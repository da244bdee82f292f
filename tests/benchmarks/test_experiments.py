"""The benchmark of whole experiments: what it makes of a run's stages, by hand."""

import subprocess
import sys

import pytest

from benchmarks.experiments import Run, Stage, as_json, kind_of, lines, memory_of_children

STAGES = [
    Stage("data@digits", [], "ran", 1.0),
    Stage("train@digits-0", ["data@digits"], "ran", 4.0),
    Stage("train@digits-1", ["data@digits"], "ran", 2.0),
    Stage("study@digits-early_exit", ["train@digits-1"], "ran", 3.0),
    Stage("report@digits", ["train@digits-0", "study@digits-early_exit"], "ran", 0.5),
]
RUN = Run("digits", 2, 8.0, 100, STAGES)


def test_seconds_by_kind_the_most_first() -> None:
    assert list(RUN.by_kind.items()) == [("train", 6.0), ("study early_exit", 3.0), ("data", 1.0), ("report", 0.5)]
    assert kind_of("prune@mnist-wide-cqp-0") == "prune"
    assert kind_of("study@mnist-wide-energy") == "study energy"


def test_the_critical_path_is_the_longest_chain() -> None:
    path = [
        "data@digits",
        "train@digits-1",
        "study@digits-early_exit",
        "report@digits",
    ]  # by train 0: 5.5 s
    assert [stage.address for stage in RUN.critical_path] == path
    assert as_json(RUN)["critical_path_seconds"] == 6.5
    assert as_json(RUN)["stages"][0]["address"] == "data@digits"


def test_the_run_in_words() -> None:
    head, *kinds, path = lines(RUN)
    assert head == "digits, 2 workers: 8.0 s, 5 stages of 10.5 s; 100 MB at most"
    assert kinds[0] == "  train: 6.0 s, 57%"
    assert path.startswith("  critical path 6.5 s, 81% of the wall time: data@digits -> train@digits-1 -> ")


def test_memory_is_that_of_the_processes_below() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the amount is known on Linux")
    before = memory_of_children()
    code = "block = bytearray(b'x') * (64 << 20); print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert memory_of_children() - before > 60 << 20
        child.communicate(b"\n")
