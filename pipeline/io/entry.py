"""What the stages' command lines share: options, inputs that must be there, how expected errors end the process."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from snnprune.core.errors import UserError


def experiment_parser(description: str) -> argparse.ArgumentParser:
    """A parser whose first argument is the experiment; a stage adds what else its address in DVC names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("experiment", help="name of an entry under experiments: in params.yaml")
    return parser


def seed(text: str) -> int:
    """An argparse type: a whole number >= 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number >= 0, found {text!r}")
    return int(text)


def required(path: Path, stage: str) -> Path:
    """`path`, a result of an earlier stage. Raises UserError: there is no such file; the message says which stage makes
    it."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; stage {stage} makes it: dvc repro {stage} (or fetch it: dvc pull)")
    return path


def run_stage(main: Callable[[], None]) -> None:
    """Call `main`; a UserError prints `error: <message>` on stderr and ends the process with exit code 1."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
