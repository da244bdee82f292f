"""The command `snnprune`. What a subcommand needs is imported when it runs, so that `--help` is quick."""

import importlib.util
import sys
from pathlib import Path
from typing import Annotated

import typer

from snnprune.core.errors import UserError

app = typer.Typer(
    help="Prune spiking neural networks and compare methods: every stage versioned, every result tracked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Experiment = Annotated[str, typer.Argument(help="An entry of `matrix` in params.yaml.")]
PROJECT_FILES = ("params.yaml", "dvc.yaml")


def main() -> None:
    """The entry point; an error that a user can fix ends as `error: ...` and exit code 1."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error


@app.command()
def run(
    experiment: Experiment,
    workers: Annotated[int | None, typer.Option(min=1, help="Stages at a time (default: cores / threads).")] = None,
    prefect: Annotated[bool, typer.Option("--prefect", help="As a Prefect flow.")] = False,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="On the workers of this Dask scheduler.")] = None,
) -> None:
    """Bring every stage of an experiment up to date; what is there already is kept."""
    require_project()
    from flows.run import run as run_experiment

    raise typer.Exit(run_experiment(experiment, workers=workers, prefect=prefect, dask=dask))


@app.command()
def plan(experiment: Experiment) -> None:
    """Say what `run` would do, and why."""
    require_project()
    from flows.run import plan as plan_experiment

    raise typer.Exit(plan_experiment(experiment))


@app.command()
def track(
    experiment: Annotated[str | None, typer.Argument(help="Only this experiment (default: all).")] = None,
) -> None:
    """Bring MLflow up to date with the results."""
    require_project()
    from flows.tracking.replay import track as track_results

    raise typer.Exit(track_results(experiment))


@app.command()
def ui(port: Annotated[int, typer.Option(help="The port on this machine.")] = 5000) -> None:
    """Open MLflow on the project's results, until Ctrl-C."""
    require_project()
    from flows.tracking.ui import open_ui

    raise typer.Exit(open_ui(port))


@app.command()
def deploy(port: Annotated[int, typer.Option(help="The port of Prefect's server.")] = 4200) -> None:
    """Serve the schedules of prefect.yaml, until Ctrl-C."""
    require_project()
    from flows.scheduled.deploy import deploy as serve

    raise typer.Exit(serve(port))


@app.command("list")
def list_all() -> None:
    """List experiments, methods, datasets and studies; outside a project, methods."""
    from flows.listing import listing

    print(listing(in_project=not missing_files()))


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write a minimal project: one experiment on digits that runs in a minute."""
    require_extra()
    from flows.project import write_project

    write_project(folder)
    print(f"{folder} is a project; next: cd {folder} && snnprune run digits")


def require_project() -> None:
    """Check that this folder is a project, and that what runs it is installed. Raises UserError."""
    require_extra()
    if missing := missing_files():
        raise UserError(f"no project here (no {missing[0]} in {Path.cwd()}); make one: snnprune init FOLDER")


def require_extra() -> None:
    """Check that what the library alone does not need is installed. Raises UserError."""
    if missing := [name for name in ("dvc", "mlflow", "prefect") if importlib.util.find_spec(name) is None]:
        raise UserError(f"{missing[0]} is not installed; projects need it: pip install 'snnprune[pipeline]'")


def missing_files() -> list[str]:
    """The files of a project that are not in the working folder."""
    return [name for name in PROJECT_FILES if not Path(name).is_file()]


if __name__ == "__main__":
    main()
