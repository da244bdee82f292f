"""The engine runs any DVC project: a failing branch, a missing input, many stages at once."""

from pathlib import Path

import pytest

from flows.engine import FlowFailed
from flows.lockfile import read_lock
from tests.flows import foreign

MANY = 40


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_needs_a_failed_stage_is_skipped_and_the_rest_is_done(tmp_path: Path) -> None:
    stages = """\
  bad:
    cmd: echo to no avail && exit 3
    outs: [bad.txt]
  good:
    cmd: echo good > good.txt
    outs: [good.txt]
  better:
    cmd: cat good.txt > better.txt
    deps: [good.txt]
    outs: [better.txt]
  all:
    cmd: cat bad.txt better.txt > all.txt
    deps: [bad.txt, better.txt]
    outs: [all.txt]
"""
    root = foreign.make(tmp_path, stages)
    lines: list[str] = []
    with pytest.raises(FlowFailed) as failure:
        foreign.run(root, "all", lines)
    assert "4 stages: 1 failed, 2 ran, 1 skipped" in lines
    text = str(failure.value)
    assert "  | to no avail\n" in text
    assert "to run it again: dvc repro bad" in text
    assert text.endswith("skipped, as they need what failed: all")
    assert set(read_lock(root)) == {"good", "better"}


def test_a_missing_input_fails_its_stage_and_no_other(tmp_path: Path) -> None:
    stages = """\
  bad:
    cmd: cat data > bad.txt
    deps: [data]
    params: [depth]
    outs: [bad.txt]
  good:
    cmd: echo good > good.txt
    outs: [good.txt]
  all:
    cmd: cat bad.txt good.txt > all.txt
    deps: [bad.txt, good.txt]
    outs: [all.txt]
"""
    root = foreign.make(tmp_path, stages)
    with pytest.raises(FlowFailed, match="data") as failure:
        foreign.run(root, "all")
    assert {stage.address: stage.outcome for stage in failure.value.done.values()} == {
        "bad": "failed",
        "good": "ran",
        "all": "skipped",
    }


@pytest.mark.slow
def test_many_stages_at_once_never_fail_for_a_lock(tmp_path: Path) -> None:
    each = """\
  s{n}:
    cmd: echo {n} > s{n}.txt
    deps: [input]
    outs: [s{n}.txt]
    meta: {{flow: {{retries: 0}}}}
"""
    last = "  all:\n    cmd: cat s*.txt > all.txt\n    deps: [" + ", ".join(f"s{n}.txt" for n in range(MANY)) + "]\n"
    root = foreign.make(tmp_path, "".join(each.format(n=n) for n in range(MANY)) + last, {"input": ""})
    done = foreign.run(root, "all", workers=4)
    assert len(done) == MANY + 1
    assert {stage.outcome for stage in done.values()} == {"ran"}
    assert {stage.outcome for stage in foreign.run(root, "all", workers=4).values() if stage.address != "all"} == {
        "unchanged"
    }


def test_results_that_are_laid_out_like_ours_but_are_not_do_no_harm(tmp_path: Path) -> None:
    stages = """\
  a:
    cmd: mkdir -p results/x/y; echo [1] > results/x/y/metrics.json; echo step > results/x/y/curve.csv
    outs: [results/x/y/metrics.json, results/x/y/curve.csv]
"""
    assert foreign.run(foreign.make(tmp_path, stages), "a")["a"].outcome == "ran"
    assert not (tmp_path / "mlruns").exists()
