"""How every stage ends: an expected error is one line, an unexpected one passes."""

import errno
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.io.entry import require_writable, run_stage
from snnprune.core.errors import UserError
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


@pytest.mark.parametrize("kind", [ZeroDivisionError, FileNotFoundError(errno.ENOENT, "none", "x")])
def test_what_is_not_expected_passes(kind: BaseException) -> None:
    def broken() -> None:
        raise kind

    with pytest.raises(kind if isinstance(kind, type) else type(kind)):
        run_stage(broken)


@pytest.mark.parametrize(
    ("number", "name", "line"),
    [
        (errno.ENOSPC, None, "No space left on device"),
        (errno.EROFS, "results/x", "Read-only file system: results/x"),
        (errno.EACCES, "matrix.yaml", "Permission denied: matrix.yaml"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_line(capsys, number: int, name: str | None, line: str) -> None:
    def write() -> None:
        raise OSError(number, os.strerror(number), name)

    with pytest.raises(SystemExit):
        run_stage(write)
    expected = f"error: {line}; what is done is kept, the same command goes on\n"
    assert capsys.readouterr().err == expected


def test_whether_a_folder_can_be_written_is_tried_without_a_trace(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    require_writable(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    for folder in (Path("/proc/x/y"), tmp_path / "file" / "x"):
        with pytest.raises(UserError, match=f"{folder}: cannot be written "):
            require_writable(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "1 +/- 2 alpha ? uJ"), ("cp1252", "1 ± 2 alpha ? µJ"), ("utf-8", "1 ± 2 α → µJ")]
)
def test_a_letter_that_the_output_lacks_is_replaced(encoding: str, shown: str) -> None:
    code = "from pipeline.io.entry import run_stage; run_stage(lambda: print('1 ± 2 α → µJ'))"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout.decode(encoding) == f"{shown}\n"
