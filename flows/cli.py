"""The command `snnprune`. What a subcommand needs is imported when it runs, so that `--help` is quick."""

import importlib.util
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperCommand, TyperGroup

from flows.engine.stop import Interrupted
from flows.redact import redacted_errors
from pipeline.io.entry import plainly
from snnprune.core.errors import UserError


class Commands(TyperGroup):
    """Commands whose errors of an option's value say what was found."""

    def invoke(self, ctx: typer.Context) -> Any:
        """As typer's own, which leaves the value out."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, ValidationError):
                error.message += f"; found {error.__cause__.errors()[0]['input']!r}"
            raise


app = typer.Typer(
    cls=Commands,
    help="Prune spiking neural networks and compare methods: every stage versioned, every result tracked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class SeveralLevels(TyperCommand):
    """A command whose option `--levels` takes all the numbers that follow it."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """`--levels 0.9 0.95` as `--levels 0.9 --levels 0.95`, which is what typer reads."""
        given: list[str] = []
        for arg in args:
            is_next = len(given) > 1 and given[-2] == LEVELS and is_number(arg)
            given += [LEVELS, arg] if is_next else [arg]
        return super().parse_args(ctx, given)


def is_number(text: str) -> bool:
    """Whether it is written as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


Experiment = Annotated[str, typer.Argument(help="An entry of `matrix` in params.yaml.")]
PROJECT_FILES = ("params.yaml", "dvc.yaml")
LEVELS = "--levels"
LIBRARIES = {"cli": ("filelock", "matplotlib", "ruamel", "sklearn", "tqdm"), "pipeline": ("dvc", "mlflow", "prefect")}


def main() -> None:
    """The entry point; an error that a user can fix ends as `error: ...` and exit code 1, Ctrl-C as 130. No error
    shows a secret."""
    try:
        with plainly(), redacted_errors():
            app()
    except Interrupted as interrupted:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        raise SystemExit(128 + interrupted.signal) from interrupted  # as shells do


@app.command()
def run(
    experiment: Experiment,
    workers: Annotated[int | None, typer.Option(min=1, help="Stages at a time (default: cores / threads).")] = None,
    prefect: Annotated[bool, typer.Option("--prefect", help="As a Prefect flow.")] = False,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="On the workers of this Dask scheduler.")] = None,
    promote: Annotated[
        str | None,
        typer.Option(metavar="KEY=VALUE,...", help="Then promote a net, such as max-loss=0.005 (docs/serving.md)."),
    ] = None,
) -> None:
    """Bring every stage of an experiment up to date; what is there already is kept."""
    require(*PROJECT_FILES)
    import flows.run

    flows.run.run(experiment, workers=workers, prefect=prefect, dask=dask, promote=promote)


@app.command()
def plan(experiment: Experiment) -> None:
    """Say what `run` would do, and why."""
    require(*PROJECT_FILES)
    import flows.run

    flows.run.plan(experiment)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="REV1", help="A git revision.")],
    after: Annotated[
        str | None, typer.Argument(metavar="[REV2]", help="Another (default: the working tree); may be left out.")
    ] = None,
    experiment: Annotated[str | None, typer.Argument(help="Only this one (default: all).")] = None,
) -> None:
    """Say in Markdown what differs in the committed results of two git revisions (docs/diff.md)."""
    require(*PROJECT_FILES)
    from pipeline.diff.diff import diff as results_diff

    print(results_diff(Path.cwd(), before, after, experiment), end="")


@app.command()
def track(
    experiment: Annotated[str | None, typer.Argument(help="Only this experiment (default: all).")] = None,
) -> None:
    """Bring MLflow up to date with the results, and carry out promotions kept for it."""
    require(*PROJECT_FILES)
    import flows.registry.promote
    import flows.tracking.replay

    is_logged = flows.tracking.replay.track(experiment)
    flows.registry.promote.carry_out_kept()
    if not is_logged:
        raise typer.Exit(1)


@app.command()
def push(
    experiment: Annotated[str | None, typer.Argument(help="Only this experiment (default: all).")] = None,
) -> None:
    """Copy finished results to DVC's default remote (docs/sharing.md)."""
    require(*PROJECT_FILES)
    import flows.sharing.share

    flows.sharing.share.push(experiment)


@app.command()
def pull(experiment: Experiment) -> None:
    """Fetch a finished experiment from DVC's default remote, without training (docs/sharing.md)."""
    require(*PROJECT_FILES)
    import flows.sharing.share

    flows.sharing.share.pull(experiment)


@app.command()
def clean(yes: Annotated[bool, typer.Option("--yes", help="Remove it.")] = False) -> None:
    """List what no dvc.lock names any more: MLflow runs, cache, worktrees, resume points (docs/service.md)."""
    require(*PROJECT_FILES)
    import flows.retention.clean

    flows.retention.clean.clean(yes=yes)


@app.command()
def backup(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Copy the databases and files of MLflow and Prefect (docs/service.md)."""
    require(*PROJECT_FILES)
    import flows.backup.backup

    flows.backup.backup.backup(folder)


@app.command()
def restore(folder: Annotated[Path, typer.Argument(help="That `snnprune backup` wrote.")]) -> None:
    """Put a backup back (docs/service.md)."""
    require(*PROJECT_FILES)
    import flows.backup.backup

    flows.backup.backup.restore(folder)


@app.command("promote")
def promote_net(
    experiment: Annotated[str | None, typer.Argument(help="With results (snnprune list).")] = None,
    level: Annotated[float | None, typer.Option(help="Of this sparsity.")] = None,
    max_energy: Annotated[
        str | None, typer.Option(metavar="ENERGY", help="Of a sample: 10% of the dense nets', 2500pJ, 2.5nJ.")
    ] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(help="Of validation accuracy against the dense nets (0.005 where no other is given)."),
    ] = None,
    profile: Annotated[str, typer.Option(help="The hardware of the energy.")] = "horowitz_45nm_fp32",
    model: Annotated[str | None, typer.Option(help="Its name in the registry (default: the experiment's).")] = None,
    delta: Annotated[float, typer.Option(help="The loss against the champion that must be excluded.")] = 0.005,
    force: Annotated[bool, typer.Option("--force", help="Move the alias whatever the comparison says.")] = False,
    pending: Annotated[bool, typer.Option("--pending", help="Carry out what was kept while MLflow was down.")] = False,
) -> None:
    """Make one pruned net the champion of MLflow's registry, unless it may be worse (docs/serving.md)."""
    require(*PROJECT_FILES)
    import flows.registry.promote
    from pipeline.promotion.params import PromotionParams
    from snnprune.core.schema import validate

    if pending == (experiment is not None):
        raise UserError("promote: name an experiment, or say --pending; not both")
    if experiment is None:
        if not flows.registry.promote.carry_out_kept():
            print("no promotion is pending")
        return
    options = {"level": level, "max_energy": max_energy, "max_loss": max_loss, "profile": profile}
    options |= {"model": model, "delta": delta, "force": force}
    flows.registry.promote.promote(experiment, validate(PromotionParams, options, "promote"))


@app.command()
def serve(
    model: Annotated[str | None, typer.Option(help="Its name in the registry (default: the only one).")] = None,
    alias: Annotated[str, typer.Option(help="Which of its versions.")] = "champion",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port on this machine.")] = 5001,
) -> None:
    """Serve a promoted net on 127.0.0.1, until Ctrl-C (docs/serving.md)."""
    require(*PROJECT_FILES)
    import flows.registry.serve

    flows.registry.serve.serve(model, alias, port)


@app.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="The port on this machine.")] = 5000) -> None:
    """Open MLflow on the project's results, until Ctrl-C."""
    require(*PROJECT_FILES)
    import flows.tracking.ui

    flows.tracking.ui.open_ui(port)


@app.command()
def deploy(port: Annotated[int, typer.Option(min=1, max=65535, help="The port of Prefect's server.")] = 4200) -> None:
    """Serve the schedules of prefect.yaml, until Ctrl-C."""
    require(*PROJECT_FILES)
    import flows.scheduled.deploy

    flows.scheduled.deploy.deploy(port)


@app.command("check-data")
def check_data(
    data: Annotated[
        str, typer.Argument(help="idx:<folder>, events:<folder or file>, a file .npz, or a dataset's name.")
    ],
    timesteps: Annotated[int, typer.Option(help="Frames that a recording of events is cut into.")] = 10,
    by: Annotated[
        str, typer.Option(help="Cut into frames of equal `time`, or of an equal `count` of events.")
    ] = "time",
    window_ms: Annotated[
        float | None, typer.Option(help="Cut the first so many milliseconds (default: each recording's own length).")
    ] = None,
    picture: Annotated[Path, typer.Option(help="The picture of some samples.")] = Path("check-data.png"),
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Draw none.")] = False,
) -> None:
    """Say what a dataset holds, what is wrong with it, and what to write into params.yaml; needs no project."""
    require_installed("cli")
    from pipeline.check_data.check import check
    from snnprune.core.schema import validate
    from snnprune.data.events.params import FramesParams

    options = {"timesteps": timesteps, "by": by, "window_ms": window_ms}
    for line in check(data, validate(FramesParams, options, "check-data"), None if no_picture else picture):
        print(line, flush=True)


@app.command()
def export(
    net: Annotated[
        str,
        typer.Argument(
            help="A net of this project (digits/cqp@0.90/seed0), one that `snnprune prune` wrote "
            "(pruned/level-0.90.pt), or a file .safetensors."
        ),
    ],
    to: Annotated[
        list[str],
        typer.Option(
            metavar="TARGET",
            help="state-dict, compact, csr, c, c-int8, c-int4, onnx or nir; again for each further one.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="A folder for each target's folder (default: export/NET).")] = None,
    license: Annotated[str, typer.Option(help="Of the net, for its card, such as mit.")] = "unknown",
    tuned: Annotated[
        bool, typer.Option("--tuned", help="Fine-tune c-int8 and c-int4 first, as the study quantise does.")
    ] = False,
) -> None:
    """Write a net for other tools, with a card: what it is, what it costs, how often it decides otherwise."""
    require_installed("cli")
    from flows.engine.stop import interruptible
    from pipeline.export.export import export as export_net

    with interruptible():
        for line in export_net(net, to, out, license, tuned=tuned):
            print(line, flush=True)


@app.command("prune", cls=SeveralLevels)
def prune_network(
    network: Annotated[str, typer.Argument(help="my_nets.py:build, a function that returns it, or a NIR file.")],
    data: Annotated[str, typer.Option(help="idx:<folder>, events:<folder or file>, a .npz, or a dataset's name.")],
    out: Annotated[Path, typer.Option(help="The folder for what is written.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Its state: .safetensors, .pt or .pth (default: as build() returns it).")
    ] = None,
    method: Annotated[str, typer.Option(help="How to choose what goes (snnprune list).")] = "cqp",
    alpha: Annotated[
        float | None, typer.Option(help="Weight of criticality, of methods that have one (default: 0.25).")
    ] = None,
    levels: Annotated[
        list[float] | None,
        typer.Option(help="Sparsities one after the other: --levels 0.9 0.95 (default: 0.9, or what limits ask for)."),
    ] = None,
    max_bytes: Annotated[float | None, typer.Option(help="Of the weights, instead of levels (docs/limits.md).")] = None,
    max_operations: Annotated[float | None, typer.Option(help="Of a sample, instead of levels.")] = None,
    max_energy_pj: Annotated[float | None, typer.Option(help="Of a sample, instead of levels.")] = None,
    profile: Annotated[str, typer.Option(help="The hardware of the energy.")] = "horowitz_45nm_fp32",
    per_cost: Annotated[bool, typer.Option("--per-cost", help="A budget goes to the best score for its cost.")] = False,
    fan_in: Annotated[int | None, typer.Option(help="Inputs of a neuron at most.")] = None,
    pattern: Annotated[str | None, typer.Option(metavar="N:M", help="Of any M neighbouring inputs N at most.")] = None,
    neurons: Annotated[bool, typer.Option("--neurons", help="Remove whole neurons, or channels.")] = False,
    compensate: Annotated[
        bool, typer.Option("--compensate", help="Solve the weights that are left anew, before fine-tuning.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=0, help="Of fine-tuning after each level.")] = 2,
    lr: Annotated[float, typer.Option(help="Its highest learning rate.")] = 0.002,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples a step.")] = 128,
    timesteps: Annotated[int | None, typer.Option(help="T, unless its forward runs its own.")] = None,
    encoding: Annotated[
        str | None,
        typer.Option(help="direct, noisy_direct, rate, latency, frames (default: direct; events: frames)."),
    ] = None,
    readout: Annotated[str, typer.Option(help="count, mean-membrane, last-membrane.")] = "count",
    normalize: Annotated[str | None, typer.Option(metavar="MEAN,STD", help="As in training: 0.1307,0.3081.")] = None,
    reset: Annotated[str | None, typer.Option(help="subtract, zero, none (default: as it is).")] = None,
    reset_delay: Annotated[
        bool | None, typer.Option("--reset-delay/--no-reset-delay", help="Reset a step later, or at once.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of fine-tuning and criticality.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, auto.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU threads; the last digits depend on it.")] = 1,
) -> None:
    """Prune a trained network of your own, of snnTorch or a NIR file; needs no project (docs/your_network.md)."""
    require_installed("cli")
    from flows.engine.stop import interruptible
    from pipeline.prune_net.prune import Job, prune
    from snnprune.core.schema import validate
    from snnprune.core.training.params import FinetuneParams

    running = {"timesteps": timesteps, "readout": readout, "reset": reset, "reset_delay": reset_delay}
    scale = two("normalize", normalize, ",", float, "mean and deviation, such as 0.1307,0.3081")
    running |= {"normalize": scale and dict(zip(("mean", "std"), scale, strict=True))}
    running |= {"encoding": {"name": encoding}} if encoding else {}
    finetune = {"epochs": epochs, "lr": lr, "batch_size": batch_size} if epochs else None
    validate(FinetuneParams, {"epochs": 1, "lr": lr}, "options.finetune")  # also where no epoch is run
    criticality = {"batches": 40, "batch_size": batch_size}  # no more memory than fine-tuning
    pruning = {"levels": levels or None, "finetune": finetune, "criticality": criticality, "compensate": compensate}
    limits = {"max_bytes": max_bytes, "max_operations": max_operations, "max_energy_pj": max_energy_pj}
    limits |= {"profile": profile, "per_cost": per_cost, "fan_in": fan_in, "neurons": neurons}
    limits |= {"pattern": two("pattern", pattern, ":", int, "two whole numbers, such as 2:4")}
    with interruptible():
        prune(Job(network, checkpoint, data, out, method, alpha, running, pruning, seed, device, threads, limits))


@app.command("list")
def list_all() -> None:
    """List experiments, methods, datasets and studies; outside a project, methods and datasets."""
    require_installed("cli")
    from pipeline.listing import listing

    print(listing(in_project=all(Path(name).is_file() for name in PROJECT_FILES)))


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write a minimal project: one experiment on digits that runs in a minute."""
    require()
    from pipeline.project import write_project

    write_project(folder)
    print(f"{folder} is a project; next: cd {shlex.quote(str(folder))} && snnprune run digits")


def two(key: str, text: str | None, separator: str, kind: type[float], expected: str) -> list[float] | None:
    """The two numbers of an option. Raises UserError: they are none."""
    if text is None:
        return None
    try:
        first, second = map(kind, text.split(separator))
    except ValueError as error:
        raise UserError(f"{key}: expected {expected}; found {text!r}") from error
    return [first, second]


def require(*files: str) -> None:
    """Check that what projects need is installed, and that these files are here. Raises UserError."""
    require_installed("pipeline", "projects need it")
    if missing := [name for name in files if not Path(name).is_file()]:
        raise UserError(f"no project here (no {missing[0]} in {Path.cwd()}); make one: snnprune init FOLDER")


def require_installed(extra: str, why: str = "this command needs it") -> None:
    """Check that an optional part of the package was installed. Raises UserError."""
    if missing := [name for name in LIBRARIES[extra] if importlib.util.find_spec(name) is None]:
        raise UserError(f"{missing[0]} is not installed; {why}: pip install 'snnprune[{extra}]'")


if __name__ == "__main__":
    main()
