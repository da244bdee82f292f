"""Reads the results of a git revision, or of the working tree, without checking anything out."""

import io
import json
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.io.paths import RESULTS, compare_folder, report_folder
from snnprune.core.errors import UserError

WORKING_TREE = "the working tree"
NEEDED = {"method", "seed", "level", "accuracy"}


@dataclass(frozen=True)
class Results:
    """Of one experiment at one revision. rows: `comparison.csv`, a row per method, seed and level, the dense net being
    method `dense` at level 0. baseline: the method that margins are over, None where there are none. rivals: the pairs
    of method and level that can be held against others. verdicts: claim -> verdict. claims: claim -> what it says."""

    rows: pd.DataFrame
    baseline: str | None = None
    rivals: frozenset[tuple[str, float]] = frozenset()
    verdicts: dict[str, str] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)

    @cached_property
    def by_net(self) -> dict[tuple[str, float], pd.DataFrame]:
        """The rows of each pair of method and level, in order, by seed."""
        groups = self.rows.groupby(["method", "level"], sort=False)
        return {(str(name), float(level)): rows.set_index("seed").sort_index() for (name, level), rows in groups}

    @property
    def seeds(self) -> list[int]:
        """All that occur, rising."""
        return sorted(self.rows["seed"].unique().tolist())


@dataclass(frozen=True)
class Revision:
    """What `results/` holds in the project at `root`; name None: in its working tree. Raises UserError: git knows no
    such revision, or this is no repository."""

    root: Path
    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and not is_revision(self.root, self.name):
            raise UserError(f"git knows no revision {self.name!r} in {self.root}; `git log --oneline` lists them")

    def __str__(self) -> str:
        return WORKING_TREE if self.name is None else f"`{self.name}`"

    @cached_property
    def experiments(self) -> list[str]:
        """Those that have a comparison, sorted."""
        if self.name is None:
            files = [path.relative_to(self.root) for path in self.root.glob(f"{compare_folder('*')}/comparison.csv")]
        else:
            listed = _git(self.root, "ls-tree", "-r", "--name-only", "-z", self.name, "--", f"{RESULTS}/") or ""
            files = [Path(name) for name in listed.split("\0")]
        found = (path for path in files if path.match(f"{compare_folder('*')}/comparison.csv"))
        return sorted(path.parts[1] for path in found if len(path.parts) == 4)

    def read(self, experiment: str) -> Results:
        """The results of one of them. Raises UserError: a file is damaged, or of another version of this program."""
        table, summary = compare_folder(experiment) / "comparison.csv", compare_folder(experiment) / "summary.json"
        try:
            rows = pd.read_csv(io.StringIO(self._text(table) or ""))
        except (ValueError, pd.errors.ParserError) as error:
            raise UserError(f"{table} in {self}: not readable: {error}") from error
        if lacking := sorted(NEEDED.difference(rows.columns)):
            raise UserError(f"{table} in {self}: no column {', '.join(lacking)}; it cannot be compared")
        judged = self._json(report_folder(experiment) / "claims.json").get("claims", [])
        about = self._json(summary)
        rivals = {(one["method"], one["level"]) for one in about.get("results", []) if one.get("margin")}
        return Results(
            rows=rows,
            baseline=about.get("baseline"),
            rivals=frozenset(rivals),
            verdicts={claim["id"]: claim["verdict"] for claim in judged},
            claims={claim["id"]: claim["claim"] for claim in judged},
        )

    def _json(self, path: Path) -> dict[str, Any]:
        text = self._text(path)
        try:
            return {} if text is None else json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{path} in {self}: not readable: {error}") from error

    def _text(self, path: Path) -> str | None:
        """A file's content; None where there is none."""
        if self.name is not None:
            return _git(self.root, "show", f"{self.name}:./{path.as_posix()}")
        return (self.root / path).read_text(encoding="utf-8") if (self.root / path).is_file() else None


def is_revision(root: Path, name: str) -> bool:
    """Whether git finds a commit by that name."""
    return _git(root, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}") is not None


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None when it fails. Raises UserError: there is no git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except OSError as error:
        raise UserError(f"git cannot be run ({error.strerror}); results are compared by its revisions") from error
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else None
