"""DVC projects that have nothing of ours, made for one test: the engine must know no more than DVC's graph."""

import sys
from collections.abc import Mapping
from pathlib import Path

from flows.engine import Done, Work, run_target
from flows.graph import Pipeline, Stage
from tests.flows.conftest import dvc

RUN = """
import sys
from pathlib import Path
from flows.engine import run_target
from flows.interrupt import interruptible
from flows.graph import Pipeline
with interruptible():
    run_target(
        Pipeline(Path.cwd()),
        sys.argv[1],
        say=lambda line: print(line, flush=True),
        carry_out=lambda work, stage: work.bring_up(stage, lambda line: print(line, flush=True), {}),
        before_work=lambda: None,
        workers=2,
    )
"""


def make(folder: Path, stages: str, files: Mapping[str, str] | None = None) -> Path:
    """A project in `folder` with these stages (YAML below `stages:`) and files; `python` in it is this interpreter."""
    folder.mkdir(exist_ok=True)
    for name, content in (files or {}).items():
        (folder / name).write_text(content)
    (folder / "dvc.yaml").write_text(f"stages:\n{stages}")
    dvc(folder, "init", "--no-scm", "-q")
    return folder


def run(root: Path, target: str, lines: list[str] | None = None, workers: int = 2) -> dict[str, Done]:
    """Run a target in this process; what is said goes to `lines`."""
    said = [] if lines is None else lines

    def carry_out(work: Work, stage: Stage) -> Done:
        return work.bring_up(stage, lambda line: said.append(f"[{stage.address}] {line}"), {})

    return run_target(
        Pipeline(root),
        target,
        say=said.append,
        carry_out=carry_out,
        before_work=lambda: None,
        workers=workers,
    )


def command(target: str) -> list[str]:
    """What runs a target in a process of its own; Ctrl-C and SIGTERM end it in order."""
    return [sys.executable, "-c", RUN, target]
