"""Hands finished experiments on: `snnprune push [EXPERIMENT]`, and `snnprune pull EXPERIMENT` in another clone."""

from pathlib import Path

from flows.engine.remote import SharedProject, Transfer
from flows.engine.workspace import workspace
from flows.environment import set_defaults
from flows.run import LAST, print_line
from pipeline import matrix
from snnprune.core.errors import UserError

SHOWN = 3  # names in an error
UNITS = ("bytes", "kB", "MB", "GB", "TB")


def push(experiment: str | None = None) -> None:
    """Copy the results that dvc.lock names to DVC's default remote: those of one experiment, or of all that have all of
    them here, and say which have not. Raises UserError: no such experiment, it has no results, some are not here, or
    the remote cannot be used."""
    project, names = _open()
    made = {
        name: project.with_results(f"{LAST}@{name}")[0]
        for name in ([_known(experiment, names)] if experiment else names)
    }
    lacking = {name: project.lacking(stages) for name, stages in made.items() if stages}
    if not lacking:
        raise UserError(f"dvc.lock has no results of {experiment or 'any experiment'}; make some: snnprune run")
    whole = [name for name, lost in lacking.items() if not lost]
    if not whole:
        name, lost = next(iter(lacking.items()))
        more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        raise UserError(
            f"{', '.join(lost[:SHOWN])}{more}: neither in DVC's cache nor here as dvc.lock has it; make it again: "
            f"snnprune run {name}"
        )
    done = project.push(sorted({stage for name in whole for stage in made[name]}))
    print_line(f"pushed {', '.join(whole)} to {_summary(done)}; for others, commit dvc.lock and push it with git")
    if rest := [f"{name} ({len(lost)} results)" for name, lost in lacking.items() if lost]:
        print_line(f"not pushed, as not all of it is here: {', '.join(rest)}")


def pull(experiment: str) -> None:
    """Fetch the results that dvc.lock names of an experiment from DVC's default remote, without running anything.
    Raises UserError: no such experiment, it was not finished by this dvc.lock, the remote lacks some or cannot be used,
    a flow runs here, or a result here was edited."""
    project, names = _open()
    stages, lacking = project.with_results(f"{LAST}@{_known(experiment, names)}")
    if lacking:
        raise UserError(
            f"dvc.lock has no result of {len(lacking)} of the {len(stages) + len(lacking)} stages of {experiment} "
            f"({lacking[0]}); check out the commit that has them, or make them: snnprune run {experiment}"
        )
    with workspace(project.root):
        done = project.pull(stages)
    print_line(f"pulled from {_summary(done)}")
    old = project.out_of_date(project.needed_for(f"{LAST}@{experiment}"))
    state = f"{len(old)} stages are out of date: snnprune plan {experiment}" if old else "nothing to do"
    print_line(f"{experiment}: {len(stages)} stages, {state}; `snnprune track` logs them to MLflow")


def size_text(size: int) -> str:
    """`0 bytes`, `1.2 MB`: a number of bytes for people, by thousands."""
    number, unit = float(size), 0
    while number >= 999.95 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.{min(unit, 1)}f} {UNITS[unit]}"


def _open() -> tuple[SharedProject, list[str]]:
    """The project of the current folder, and the names of its experiments."""
    set_defaults()
    if matrix.update():
        print_line(f"{matrix.MATRIX_FILE} brought up to date")
    project = SharedProject(Path.cwd())
    named = (address.partition("@") for address in project.addresses())
    return project, [name for stage, _, name in named if stage == LAST]


def _known(experiment: str, names: list[str]) -> str:
    if experiment not in names:
        raise UserError(f"no experiment {experiment!r}; the matrix in params.yaml has: {', '.join(names)}")
    return experiment


def _summary(done: Transfer) -> str:
    there = f", {done.already} already there" if done.already else ""
    return f"{done.remote}: {done.files} files, {size_text(done.size)}{there}"
