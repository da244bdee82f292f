"""Resume points: what a stage saves each epoch, so that an interrupted one goes on where it stopped. They lie outside
the results (DVC clears those before a run) and are found again only by a stage with the very same settings, inputs,
code and torch version; anything else starts anew."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from pipeline.io.files import sha256
from snnprune.core.training.fit import ResumePoint

FOLDER = Path(".resume")
PACKAGES = ("snnprune", "pipeline")  # whose code a result depends on
NETS = ("snnprune.core", "snnprune.sparse")  # whose code a finished net's outputs depend on


class Resume:
    """The resume points of one stage, one for each of its parts."""

    def __init__(self, stage: str, settings: dict[str, Any], inputs: list[Path]) -> None:
        """Name the stage (`prune/mnist/cqp/seed0`), its settings (JSON values and blocks) and its input files."""
        self._stage = FOLDER / stage
        self._folder = self._stage / fingerprint(settings, inputs)

    def point(self, part: str) -> ResumePoint:
        """The resume point of one part of the stage, such as one level."""
        return ResumePoint(self._folder / f"{part}.pt")

    def once(self, part: str, make: Callable[[], Any]) -> Any:
        """What `make` returns (tensors and plain values), saved: an interrupted stage does not make it again."""
        point = self.point(part)
        done = point.load()
        if done is None:
            done = {"made": make()}
            point.save(done)
        return done["made"]

    def clear(self) -> None:
        """Remove every resume point of the stage, outdated ones included; called when its results are written."""
        shutil.rmtree(self._stage, ignore_errors=True)


def remembered(name: str, settings: dict[str, Any], inputs: list[Path], make: Callable[[], Any]) -> Any:
    """What `make` returns of finished nets (tensors and plain values): the stages that ask for the same, by name,
    settings and input files, make it once. It stays until another is made by this name; deleting it costs time alone.
    """
    folder = FOLDER / "shared" / name
    point = ResumePoint(folder / f"{fingerprint(settings, inputs, NETS)}.pt")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        kept = point.load()
        if kept is None:
            for old in folder.glob("*.pt"):
                old.unlink()
            kept = {"made": make()}
            point.save(kept)
    return kept["made"]


def fingerprint(settings: dict[str, Any], inputs: list[Path], packages: tuple[str, ...] = PACKAGES) -> str:
    """Hexadecimal digest over settings, input files, torch's version and the code of `packages` imported so far."""
    parts = {
        "settings": settings,
        "inputs": {path.as_posix(): sha256(path) for path in inputs},
        "torch": torch.__version__,
        "code": _code_digests(packages),
    }
    text = json.dumps(parts, sort_keys=True, default=lambda block: block.model_dump())
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _code_digests(packages: tuple[str, ...]) -> dict[str, str]:
    # A stage started with `python -m` is the module `__main__`; its own name stands in its spec.
    named = [module for name, module in sys.modules.items() if name.split(".")[0] in (*PACKAGES, "__main__")]
    specs = [spec for module in named if (spec := getattr(module, "__spec__", None)) is not None]
    return {spec.name: sha256(Path(spec.origin)) for spec in specs if f"{spec.name}.".startswith(packages)}
