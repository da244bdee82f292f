"""Serves a version of MLflow's registry by the protocol of MLflow's scoring server, on this machine alone: `snnprune
serve`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.engine.stop import Interrupted, interruptible
from flows.engine.sweep import sweep_at_end
from flows.environment import HOST, answers, require_free, set_defaults, stage_environment
from flows.redact import reason_of
from flows.registry.inputs import shape_text
from flows.tracking.location import local_database, store_uri
from snnprune.core.errors import UserError

MODEL_VARIABLE = "__pyfunc_model_path__"  # by which the server finds its model
TITLE_VARIABLE = "SNNPRUNE_SERVED_MODEL"  # what its answers say of the model
STARTUP_SECONDS = 300  # the first time numba compiles the loops of the code that the model carries


def serve(model: str | None, alias: str, port: int) -> None:
    """Serve the version of `model` (None: the only one) that has the alias, until Ctrl-C. Raises UserError: there is no
    such model or alias, the store cannot be reached, the port is taken, or the server ended."""
    set_defaults()
    require_free(port)
    title, path, shape = _fetch(model, alias)
    with interruptible(), suppress(Interrupted):
        sweep_at_end()
        with serving(path, port, title) as (server, url):
            sizes = shape_text(shape)
            print(f'{title}: POST {{"inputs": ...}}, {sizes}, to {url}/invocations (Ctrl-C stops it)', flush=True)
            raise UserError(f"the scoring server ended with exit code {server.wait()}; its lines above say why")


@contextmanager
def serving(path: Path, port: int, title: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """While in here, a server of the model in a folder, which answers, and its address; `title` is the header X-Model
    of its predictions. Raises UserError: it ended, or does not come up."""
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "uvicorn", "--host", HOST, "--port", str(port), "--log-level", "warning"]
    environment = {**stage_environment(), MODEL_VARIABLE: str(path), TITLE_VARIABLE: title}
    server = subprocess.Popen([*command, "flows.registry.app:app"], env=environment)
    try:
        if not answers(f"{url}/health", server, STARTUP_SECONDS):
            raise UserError(f"the scoring server did not come up at {url}; its lines above say why")
        yield server, url
    finally:
        server.terminate()
        server.wait()


def _fetch(model: str | None, alias: str) -> tuple[str, Path, tuple[int, ...]]:
    """What is served, in words, its files, and the shape of its input. Raises UserError."""
    database = local_database(Path.cwd())
    if database and not database.is_file():
        raise UserError(f"{database} was not found, so nothing is registered; `snnprune promote EXPERIMENT` does it")
    from flows.registry.registry import ERRORS, Registry, title_of  # takes seconds

    try:
        registry = Registry(Path.cwd())
        names = registry.names()
        if not names:
            raise UserError("no model is registered; `snnprune promote EXPERIMENT` registers one")
        if model is None and len(names) > 1:
            raise UserError(f"several models are registered, choose one by --model: {', '.join(names)}")
        model = model or names[0]
        if model not in names:
            raise UserError(f"no model {model!r} is registered; there are: {', '.join(names)}")
        version = registry.holder(model, alias)
        if version is None:
            there = ", ".join(registry.aliases(model)) or "none"
            raise UserError(f"{model}: no version has the alias {alias!r}; its aliases: {there}")
        return f"{model} {title_of(version)}", *registry.fetch(version)
    except ERRORS as error:
        raise UserError(f"MLflow cannot be used at {store_uri(Path.cwd())}: {reason_of(error)}") from error
