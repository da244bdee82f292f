"""DVC's own graph: which stages a target needs, in which order, and which of them are out of date."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo, lock_repo

from flows.lockfile import Entry, read_lock


class UnknownTarget(LookupError):
    """No stage has this address; the message lists those that exist."""


class PipelineError(RuntimeError):
    """DVC cannot read the project: no project here, or dvc.yaml or params.yaml do not fit together."""


@dataclass(frozen=True)
class Stage:
    """One stage: its address (`prune@digits-cqp-0`) and the addresses it waits for."""

    address: str
    upstream: tuple[str, ...]

    @property
    def has_entry_here(self) -> bool:
        """Whether its dvc.lock is the project's own; a stage of another folder's dvc.yaml is `folder/dvc.yaml:name`."""
        return ":" not in self.address


class Pipeline:
    """The DVC project in a folder. It only reads; changing results is left to `dvc repro`."""

    def __init__(self, root: Path) -> None:
        """Open the project. Raises PipelineError."""
        self.root = root
        try:
            # Waiting is what `dvc --wait-for-lock` does: another process holds the lock for moments only.
            self._repo = Repo(str(root), _wait_for_lock=True)
        except NotDvcRepoError as error:
            raise PipelineError(f"{root} is no DVC project; run from the project's root folder") from error

    def addresses(self) -> list[str]:
        """The addresses of all stages that have a command, sorted. Raises PipelineError."""
        with _dvc_errors():
            return sorted(stage.addressing for stage in self._repo.index.stages if stage.cmd)

    def needed_for(self, target: str) -> list[Stage]:
        """The stages that `target` needs and itself, each after those it waits for; the same order every time.

        Raises:
            UnknownTarget: no stage has that address.
            PipelineError: DVC cannot read the project.
        """
        with _dvc_errors():
            graph = self._repo.index.graph  # an edge leads from a stage to what it depends on
        found = {stage.addressing: stage for stage in graph if stage.cmd}
        if target not in found:
            raise UnknownTarget(f"no stage {target!r}; there are: {', '.join(sorted(found))}")
        needed = networkx.descendants(graph, found[target]) | {found[target]}
        order = networkx.lexicographical_topological_sort(
            graph.subgraph(needed).reverse(), key=lambda stage: stage.addressing
        )
        return [_describe(stage, graph) for stage in order if stage.cmd]

    def out_of_date(self) -> set[str]:
        """All stages of which `is_changed` is true: much quicker than asking for each. Raises PipelineError."""
        with _dvc_errors():
            return set(self._repo.status())

    def is_changed(self, address: str) -> bool:
        """Whether `dvc repro` would have to do something for this stage, read afresh from dvc.lock and the files.

        Raises:
            PipelineError: DVC cannot read the project.
        """
        with _dvc_errors():
            return bool(self._repo.status([address]))

    def lock_entries(self) -> dict[str, Entry]:
        """Every stage's entry in dvc.lock by address, read while no DVC process is writing it. Raises PipelineError."""
        with _dvc_errors(), lock_repo(self._repo):
            return read_lock(self.root)


@contextmanager
def _dvc_errors() -> Iterator[None]:
    try:
        yield
    except DvcException as error:
        raise PipelineError(f"DVC: {error}") from error


def _describe(stage: Any, graph: networkx.DiGraph) -> Stage:
    upstream = tuple(sorted(dep.addressing for dep in graph.successors(stage) if dep.cmd))
    return Stage(stage.addressing, upstream)
