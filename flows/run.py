"""Runs one experiment, or says what a run would do: `snnprune run EXPERIMENT`, `snnprune plan EXPERIMENT`."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.engine.dvc import Project, ProjectError, UnknownTarget
from flows.engine.engine import Done, FlowFailed, Work, run_target
from flows.engine.interrupt import Interrupted, interruptible
from flows.engine.local import LocalExecutor
from flows.engine.stage import Executor, Stage
from flows.engine.sweep import sweep_at_end
from flows.engine.workspace import WorkspaceBusy
from flows.environment import set_defaults
from pipeline import matrix
from pipeline.io.params import PARAMS_FILE, load_runtime
from pipeline.io.paths import compare_folder, report_folder
from snnprune.core.errors import UserError

EXPECTED = (UnknownTarget, ProjectError, WorkspaceBusy, FlowFailed, UserError)
LAST_STAGE = "report"  # it needs all others; what `track` does the flow does itself
SHOW = "snnprune ui"
REASONS_SHOWN = 4


def run(experiment: str, *, workers: int | None = None, prefect: bool = False, dask: str | None = None) -> int:
    """Bring an experiment of the current folder up to date and print its comparison table; the exit code.

    workers: stages at a time, by default as many as the cores, or Dask's workers, have room for. prefect: as a flow
    that Prefect shows. dask: the address of a Dask scheduler on whose workers the commands run. What a user can put
    right is one line, `error: ...`, and exit code 1; Ctrl-C ends all that runs and is 130.
    """
    set_defaults()
    sweep_at_end()
    try:
        with interruptible():
            if prefect:
                target_of(experiment, open_project(print_line))  # a wrong name should not wait for Prefect to start
                from flows.scheduled.prefect_flow import run_experiment  # takes seconds

                run_experiment(experiment, workers, dask)
            else:
                _run_here(experiment, workers, dask)
    except EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 128 + interrupted.signal  # as shells do
    print(comparison_text(experiment))
    return 0


def plan(experiment: str) -> int:
    """Print what a run would do and why, stage by stage; nothing is run. The exit code.

    matrix.yaml, from which DVC has its stages, is brought up to date with params.yaml, as `run` does.
    """
    set_defaults()
    try:
        project = open_project(print_line)
        stages = project.needed_for(target_of(experiment, project))
        lines = list(_plan_lines(project, stages))
        if not lines[-1].endswith(f" {len(stages)} unchanged"):
            validate_params()
        print("\n".join(lines))
    except EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def open_project(say: Callable[[str], None]) -> Project:
    """The project of the current folder, once matrix.yaml fits params.yaml; `say` gets a line when it did not.

    Raises:
        ParamsError: params.yaml's matrix or outline holds something that is not allowed.
        ProjectError: this is no DVC project.
    """
    if matrix.update():
        say(f"{matrix.MATRIX_FILE} brought up to date with {PARAMS_FILE}")
    return Project(Path.cwd())


def target_of(experiment: str, project: Project) -> str:
    """The address of the stage that needs all others of an experiment.

    Raises:
        UnknownTarget: the matrix has no such experiment; the message lists those it has.
    """
    target = f"{LAST_STAGE}@{experiment}"
    addresses = project.addresses()
    if target not in addresses:
        names = [address.partition("@")[2] for address in addresses if address.startswith(f"{LAST_STAGE}@")]
        raise UnknownTarget(f"no experiment {experiment!r}; the matrix in params.yaml has: {', '.join(names)}")
    return target


@contextmanager
def executor_for(dask: str | None) -> Iterator[tuple[Executor, int]]:
    """What runs the commands, and how many stages at a time: this machine, or the workers of a Dask scheduler.

    Raises:
        UserError: Dask is not installed, no scheduler answers at that address, or it has no workers.
        ParamsError: the `runtime` block of params.yaml is impossible.
    """
    if dask is None:
        yield LocalExecutor(), default_workers()
        return
    try:
        from flows.engine.dask import dask_executor
    except ModuleNotFoundError as error:
        raise UserError(f"{error}: Dask is not installed, see docs/scale.md") from error
    with dask_executor(dask) as executor:
        yield executor, executor.room


def default_workers() -> int:
    """As many stages as this process's cores have room for. Raises ParamsError for an impossible `runtime` block."""
    # Containers and job schedulers often grant fewer cores than the machine has.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // load_runtime().threads)


def validate_params() -> None:
    """Check params.yaml as a whole (raises ParamsError); it takes seconds, for it imports torch."""
    from pipeline.experiments import validate_params as validate

    validate()


def report_page(experiment: str) -> Path:
    """The experiment's page, relative to the project."""
    return report_folder(experiment) / "index.html"


def comparison_text(experiment: str) -> str:
    """The table for a terminal, with where to look next."""
    return f"\n{_comparison_table(experiment)}\n\nreport: {report_page(experiment)}\nMLflow: {SHOW}"


def comparison_markdown(experiment: str) -> str:
    """The table for Prefect's pages, with where to look next."""
    return f"{_comparison_table(experiment)}\n\n- report: `{report_page(experiment)}`\n- MLflow: `{SHOW}`\n"


def _comparison_table(experiment: str) -> str:
    from pipeline.report.comparison.summary import from_json
    from pipeline.report.comparison.tables import render_markdown

    return render_markdown(from_json((compare_folder(experiment) / "summary.json").read_text(encoding="utf-8")))


def print_line(line: str) -> None:
    """Print a line in one piece: `print` writes its end apart, and the lines of parallel stages would mix."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _run_here(experiment: str, workers: int | None, dask: str | None) -> None:
    from flows.tracking.tracking import Tracking

    project = open_project(print_line)
    target = target_of(experiment, project)
    with executor_for(dask) as (executor, room):
        run_target(
            project,
            target,
            say=print_line,
            carry_out=_bring_up_aloud,
            before_work=validate_params,
            tracking=Tracking(project.root, print_line),
            executor=executor,
            workers=workers or room,
        )


def _bring_up_aloud(work: Work, stage: Stage) -> Done:
    return work.bring_up(stage, lambda line: print_line(f"[{stage.address}] {line}"), {})


def _plan_lines(project: Project, stages: list[Stage]) -> Iterator[str]:
    """A line per stage, `unchanged`, `cached` (its result is in DVC's run cache), `run` or `maybe`, and why; a sum."""
    width = max(len(stage.address) for stage in stages)
    counts = dict.fromkeys(("run", "cached", "maybe", "unchanged"), 0)
    remade: dict[str, Stage] = {}
    for stage in stages:
        outcome, reasons = project.why(stage.address)
        verdict = {"ran": "run"}.get(outcome, outcome)
        above = [remade[other] for other in stage.upstream if other in remade]
        written = [Path(out) for other in above for out in other.outs]
        if above and all(any(_overlap(Path(reason), out) for out in written) for reason in reasons):
            verdict, reasons = "maybe", [f"after {above[0].address}", *(other.address for other in above[1:])]
        if verdict != "unchanged":
            remade[stage.address] = stage
        counts[verdict] += 1
        more = [f"and {len(reasons) - REASONS_SHOWN} more"] if len(reasons) > REASONS_SHOWN else []
        yield f"{stage.address:<{width}}  {verdict:<9}  {', '.join([*reasons[:REASONS_SHOWN], *more])}".rstrip()
    yield f"{len(stages)} stages: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)
