"""Runs one experiment: `python -m flows.experiment --experiment mnist` as a Prefect flow, or `--local` without Prefect.

Both take DVC's graph for the experiment and bring its stages up to date; `--local` starts no server, so it is quicker.
"""

import argparse
import sys

from flows.comparison import comparison_text, open_pipeline, target_of, validate_params
from flows.engine import Done, FlowFailed, Work, run_target
from flows.environment import set_defaults
from flows.exchange import ExchangeError
from flows.graph import PipelineError, Stage, UnknownTarget
from flows.hints import HintError
from flows.interrupt import Interrupted, interruptible
from flows.sweep import sweep_at_end
from flows.tracking import Tracking
from flows.workers import default_workers
from flows.workspace import WorkspaceBusy
from snnprune.core.errors import UserError

EXPECTED = (UnknownTarget, HintError, PipelineError, WorkspaceBusy, FlowFailed, ExchangeError, UserError)


def run_locally(experiment: str, workers: int) -> None:
    """Run the stages by plain function calls, their output on the terminal. Raises what `run_target` raises."""
    pipeline = open_pipeline(print_line)
    target = target_of(experiment, pipeline)
    run_target(
        pipeline,
        target,
        say=print_line,
        carry_out=_bring_up_aloud,
        before_work=validate_params,
        tracking=Tracking(pipeline.root, print_line),
        workers=workers,
    )


def run_on_prefect(experiment: str, workers: int | None, dask: str | None) -> None:
    """Run the stages as tasks of a Prefect flow, on Dask workers if `dask` names a scheduler.

    Raises what `run_target` does; ExchangeError; Interrupted if cancelled in Prefect.
    """
    target_of(experiment, open_pipeline(print_line))  # a wrong name should not wait for Prefect to start
    from flows.scheduled.prefect_flow import run_experiment  # takes seconds

    run_experiment(experiment, workers, dask)


def main(arguments: list[str] | None = None) -> int:
    """The command line; exit code 1 and `error: ...` for what a user can put right."""
    parser = argparse.ArgumentParser(prog="python -m flows.experiment", description="Run one experiment.")
    parser.add_argument("--experiment", required=True, help="an entry of `matrix` in params.yaml")
    parser.add_argument("--local", action="store_true", help="without Prefect: no server to wait for")
    parser.add_argument("--workers", type=_count, help="stages at a time (default: cores / runtime.threads)")
    parser.add_argument("--dask", metavar="ADDRESS", help="on the workers of this Dask scheduler (docs/scale.md)")
    options = parser.parse_args(arguments)
    if options.local and options.dask:
        parser.error("--dask runs the stages by Prefect, so it does not go with --local")
    set_defaults()
    try:
        with interruptible():
            if options.local:
                run_locally(options.experiment, options.workers or default_workers())
            else:
                run_on_prefect(options.experiment, options.workers, options.dask)
    except EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 128 + interrupted.signal  # as shells tell it
    print(comparison_text(options.experiment))
    return 0


def print_line(line: str) -> None:
    """Print a line in one piece: `print` writes its end apart, and the lines of parallel stages would mix."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text!r}")
    return int(text)


def _bring_up_aloud(work: Work, stage: Stage) -> Done:
    return work.bring_up(stage, lambda line: print_line(f"[{stage.address}] {line}"), {})


if __name__ == "__main__":
    sweep_at_end()
    sys.exit(main())
