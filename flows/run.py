"""Runs one experiment, or says what a run would do: `snnprune run EXPERIMENT`, `snnprune plan EXPERIMENT`."""

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.engine.cost import Cost, spent_by_kind, table
from flows.engine.dvc import Project
from flows.engine.engine import CarryOut, Done, run_target
from flows.engine.local import LocalExecutor
from flows.engine.stage import Executor, Say, Stage
from flows.engine.stop import interruptible
from flows.engine.sweep import sweep_at_end
from flows.environment import set_defaults
from flows.redact import redact
from pipeline import matrix
from pipeline.io.params import PARAMS_FILE, load_matrix, load_runtime
from pipeline.io.paths import RESULTS, compare_folder, prune_folder, report_page, train_folder
from pipeline.promotion.params import read_options
from snnprune.core.errors import UserError

LAST = "report"  # it needs all others; what `track` does the flow does itself
REASONS_SHOWN = 4


def run(
    experiment: str,
    *,
    workers: int | None = None,
    prefect: bool = False,
    dask: str | None = None,
    promote: str | None = None,
) -> None:
    """Bring an experiment of the current folder up to date and print its comparison table.

    workers: stages at a time, by default as many as the cores, or Dask's workers, have room for. prefect: as a flow
    that Prefect shows. dask: the address of a Dask scheduler on whose workers the commands run. promote: then promote a
    net, by these options (`pipeline.promotion.params.read_options`). Raises UserError as `run_experiment`,
    `read_options` and `promote`, and Interrupted: by Ctrl-C or SIGTERM; all that ran is ended.
    """
    set_defaults()
    sweep_at_end()
    promotion = None if promote is None else read_options(promote)
    with interruptible():
        if prefect:
            open_project(experiment, print_line)  # a wrong name should not wait for Prefect to start
            from flows.scheduled.prefect_flow import run_flow  # takes seconds

            run_flow(experiment, workers, dask)  # it says itself where the time went
        else:
            from flows.display import Display

            with Display() as display:
                done = run_experiment(experiment, workers, dask, say=display.say, carry_out=display.bring_up)
            if costs := costs_of(done):
                print(f"\n{table(spent_by_kind(costs))}")
    print(f"\n{comparison(experiment)}\n\nreport: {report_page(experiment)}\nMLflow: snnprune ui")
    if promotion is not None:
        from flows.registry.promote import promote as promote_net

        promote_net(experiment, promotion)
    gc.freeze()  # as it ends, Python would look for garbage among all that was imported, for a second


def run_experiment(
    experiment: str,
    workers: int | None,
    dask: str | None,
    *,
    say: Say,
    carry_out: CarryOut,
    lineage: Mapping[str, str] | None = None,
    suffix: str = "",
    **options: Any,
) -> dict[str, Done]:
    """Bring an experiment of the current folder up to date, and log it to MLflow. `lineage` and `suffix` are for
    `Tracking`, `options` for `run_target`. No line to `say` holds a secret. Raises what that raises, and UserError as
    `open_project`, `executor_for` and `validate_params` do."""
    from flows.tracking.tracking import Tracking

    def safely(line: str) -> None:
        say(redact(line))

    project, target = open_project(experiment, safely)
    tracking = Tracking(project.root, safely, lineage, experiment_suffix=suffix)
    with executor_for(dask) as (executor, room):
        return run_target(
            project,
            target,
            say=safely,
            carry_out=carry_out,
            before_work=validate_params,
            tracking=tracking,
            executor=executor,
            workers=workers or room,
            **options,
        )


def costs_of(done: Mapping[str, Done]) -> dict[str, Cost]:
    """What each stage that ran has cost, by address."""
    return {address: finished.cost for address, finished in done.items() if finished.cost is not None}


def plan(experiment: str) -> None:
    """Print what a run would do and why, stage by stage; nothing is run but matrix.yaml is brought up to date. Raises
    UserError."""
    set_defaults()
    project, target = open_project(experiment, print_line)
    stages = project.needed_for(target)
    lines = list(_plan_lines(project, stages))
    if not lines[-1].endswith(f" {len(stages)} unchanged"):
        validate_params()
    print("\n".join(lines))


def open_project(experiment: str, say: Say) -> tuple[Project, str]:
    """The project of the current folder, once matrix.yaml fits params.yaml, and the stage that needs all others. `say`
    gets a line when the file did not fit. Raises UserError: this is no DVC project, the matrix of params.yaml holds
    something that is not allowed, or has no such experiment: the message lists those it has."""
    if matrix.update():
        say(f"{matrix.MATRIX_FILE} brought up to date with {PARAMS_FILE}")
    project = Project(Path.cwd())
    names = [name for stage, _, name in (address.partition("@") for address in project.addresses()) if stage == LAST]
    if experiment not in names:
        raise UserError(f"no experiment {experiment!r}; the matrix in params.yaml has: {', '.join(names)}")
    if old := unlisted_nets(experiment):
        say(
            f"{old[0]}{f' and {len(old) - 1} more' if old[1:] else ''}: the matrix lists no such nets, but stages that "
            "read all nets take them for inputs, which a clone lacks; delete them (git rm -r)"
        )
    return project, f"{LAST}@{experiment}"


def unlisted_nets(experiment: str) -> list[Path]:
    """Folders of nets of methods and seeds that the matrix does not list, sorted. Raises ParamsError."""
    entry, folder = load_matrix(experiment), RESULTS / experiment
    listed = {train_folder(experiment, seed) for seed in entry.seeds}
    listed |= {prune_folder(experiment, method, seed) for method in entry.methods for seed in entry.seeds}
    return sorted({*folder.glob("train/seed*"), *folder.glob("prune/*/seed*")} - listed)


@contextmanager
def executor_for(dask: str | None) -> Iterator[tuple[Executor, int]]:
    """What runs the commands, and how many stages at a time: this machine, or the workers of a Dask scheduler. Raises
    UserError: Dask is not installed, no scheduler answers at that address, or it has no workers. Raises ParamsError:
    the `runtime` block of params.yaml is impossible."""
    if dask is None:
        yield LocalExecutor(), default_workers()
        return
    try:
        from flows.engine.dask import dask_executor
    except ModuleNotFoundError as error:
        raise UserError(f"{error}: Dask is not installed, see docs/cluster.md") from error
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


def comparison(experiment: str, *, markdown: bool = False) -> str:
    """The comparison of an experiment that is up to date: for a terminal, or every figure of it in Markdown."""
    from pipeline.report.comparison.summary import from_json  # takes a second
    from pipeline.report.comparison.tables import render_markdown
    from pipeline.report.comparison.terminal import render_text

    summary = from_json((compare_folder(experiment) / "summary.json").read_text(encoding="utf-8"))
    return render_markdown(summary) if markdown else render_text(summary)


def print_line(line: str) -> None:
    """Print a line in one piece: `print` writes its end apart, and the lines of parallel stages would mix."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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
