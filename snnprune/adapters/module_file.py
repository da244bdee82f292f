"""A network from a user's Python file: `my_nets.py:build`."""

import importlib.util
import sys
from pathlib import Path

from torch import nn

from snnprune.adapters.neurons import PACKAGES
from snnprune.core.errors import UserError
from snnprune.core.own_code import run_file


def build_from(source: str) -> nn.Module:
    """What `build()` of `<file>.py:build` returns, a network; the name after the colon is a function, or a class, that
    takes no arguments. The file's folder is importable meanwhile, so that it may import what lies beside it. Raises
    UserError: no such file or name, or it fails, or returns no `torch.nn.Module`."""
    path, name = file_and_name(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        sys.modules.setdefault(path.stem, module)  # dataclasses and pickle look a class's module up there
        run_file(path, module)
        if not hasattr(module, name):
            found = ", ".join(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
            raise UserError(f"{path}: has no {name}; found are {found or 'no functions'}")
        net = getattr(module, name)()
    except UserError:
        raise
    except ModuleNotFoundError as error:
        root = str(error.name).partition(".")[0]
        remedy = f"; install it: pip install {root}" if root in PACKAGES else ""
        raise UserError(f"{source}: {error}{_line_in(path, error)}{remedy}") from error
    except (Exception, SystemExit) as error:  # of the user's own code, whatever it is
        raise UserError(f"{source}: {type(error).__name__}: {error}{_line_in(path, error)}") from error
    finally:
        sys.path.remove(folder)
    if not isinstance(net, nn.Module):
        raise UserError(f"{source}: expected a torch.nn.Module; found {type(net).__name__}")
    return net


def file_and_name(source: str) -> tuple[Path, str]:
    """The parts of `<file>.py:<name>`. Raises UserError: it is not of that form, or there is no such file."""
    file, colon, name = source.rpartition(":")
    path = Path(file)
    if not colon or path.suffix != ".py" or not name.isidentifier():
        raise UserError(f"network: expected <file>.py:<function>, such as my_nets.py:build; found {source!r}")
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return path, name


def _line_in(path: Path, error: BaseException) -> str:
    """Where in the file the error came from."""
    lines, trace = [], error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path.resolve():
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f" (line {lines[-1]})" if lines else ""
