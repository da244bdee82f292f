"""What command lines share: options, inputs that must be there, output, how expected errors end the process."""

import argparse
import codecs
import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from snnprune.core.errors import UserError

PLAIN = {"±": "+/-", "µ": "u", "α": "alpha", "·": "-"}  # where the output's encoding lacks a letter
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


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


def require_writable(folder: Path) -> None:
    """Try to make the folder and a file in it; what is made goes again. Raises UserError: it cannot be done."""
    made: list[Path] = []
    try:
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


def run_stage(main: Callable[[], None]) -> None:
    """Call `main`, a stage, as `plainly` has it."""
    with plainly():
        main()


@contextmanager
def plainly() -> Iterator[None]:
    """While in here, a letter that the output's encoding lacks is replaced. A UserError, a full disk and a folder that
    cannot be written print `error: <message>` on stderr and end the process with exit code 1."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's or a notebook's may lack it
            stream.reconfigure(errors="plain")
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        where = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror}{where}; what is done is kept, the same command goes on", file=sys.stderr)
        raise SystemExit(1) from error


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end
