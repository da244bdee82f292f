"""How every stage ends: an expected error is one line, an unexpected one passes."""

import runpy
import sys
from pathlib import Path

import pytest

from pipeline.io.entry import run_stage
from tests.imports import PROJECT

STAGES = [path.stem for path in sorted((PROJECT / "pipeline/stages").glob("[!_]*.py"))]
MORE = {"train": ["0"], "prune": ["cqp", "0"], "study": ["layers"]}


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
@pytest.mark.parametrize("stage", STAGES)
def test_a_mistake_is_one_line_without_traceback(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [stage, "tiny", *MORE.get(stage, [])])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"pipeline.stages.{stage}", run_name="__main__")
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", "error: params.yaml: no such file; run from the project's root folder\n")


def test_what_is_not_expected_passes() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_stage(broken)
