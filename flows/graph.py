"""DVC's own graph: which stages a target needs, in which order, and which of them are out of date."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx
from dvc.dependency.base import DependencyDoesNotExistError
from dvc.dependency.param import MissingParamsError
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo, lock_repo
from dvc.stage.cache import _can_hash, _get_stage_hash

from flows.hints import Hints, hints_of
from flows.lockfile import Entry, read_lock


class UnknownTarget(LookupError):
    """No stage has this address; the message lists those that exist."""


class PipelineError(RuntimeError):
    """DVC cannot read the project: no project here, or dvc.yaml or params.yaml do not fit together."""


@dataclass(frozen=True)
class Stage:
    """One stage: its address (`prune@digits-cqp-0`), the addresses it waits for, its hints, and the paths it writes."""

    address: str
    upstream: tuple[str, ...]
    hints: Hints = field(default_factory=Hints)
    outs: tuple[str, ...] = ()

    @property
    def has_entry_here(self) -> bool:
        """Whether its dvc.lock is the project's own; a stage of another folder's dvc.yaml is `folder/dvc.yaml:name`."""
        return ":" not in self.address


class Pipeline:
    """The DVC project in a folder. `dvc repro` makes the results; one that is not to be believed is forgotten here."""

    def __init__(self, root: Path) -> None:
        """Open the project. Raises PipelineError."""
        self.root = root
        try:
            # Waiting is what `dvc --wait-for-lock` does: another process holds the lock for moments only.
            self._repo = Repo(str(root), _wait_for_lock=True)
        except NotDvcRepoError as error:
            raise PipelineError(f"{root} is no DVC project; run from the project's root folder") from error
        self._described: dict[str, Any] = {}  # DVC's objects for the stages; reading them all takes seconds

    def addresses(self) -> list[str]:
        """The addresses of all stages that have a command, sorted. Raises PipelineError."""
        with _dvc_errors():
            return sorted(stage.addressing for stage in self._repo.index.stages if stage.cmd)

    def needed_for(self, target: str) -> list[Stage]:
        """The stages that `target` needs and itself, each after those it waits for; the same order every time.

        Of those that could come next, the one that most others wait for comes first, so that workers seldom idle.

        Raises:
            UnknownTarget: no stage has that address.
            HintError: a stage's `meta` holds hints that are not allowed.
            PipelineError: DVC cannot read the project.
        """
        with _dvc_errors():
            graph = self._repo.index.graph  # an edge leads from a stage to what it depends on
        found = {stage.addressing: stage for stage in graph if stage.cmd}
        self._described = found
        if target not in found:
            raise UnknownTarget(f"no stage {target!r}; there are: {', '.join(sorted(found))}")
        needed = networkx.descendants(graph, found[target]) | {found[target]}
        flow = graph.subgraph(needed).reverse()  # an edge leads from a stage to those that wait for it
        order = networkx.lexicographical_topological_sort(
            flow, key=lambda stage: (-len(networkx.descendants(flow, stage)), stage.addressing)
        )
        return [_describe(stage, graph) for stage in order if stage.cmd]

    def out_of_date(self, target: str) -> set[str]:
        """Of the target and all it needs the stages of which `is_changed` is true: much quicker than asking for each.

        Raises:
            PipelineError: DVC cannot read the project.
        """
        with _dvc_errors():
            return set(self._repo.status([target], with_deps=True))

    def is_changed(self, address: str) -> bool:
        """Whether `dvc repro` would have to do something for this stage, read afresh from dvc.lock and the files.

        Raises:
            PipelineError: DVC cannot read the project.
        """
        with _dvc_errors():
            return bool(self._repo.status([address]))

    def dependencies(self, address: str) -> dict[str, str]:
        """What the stage depends on as it is now: path -> DVC's hash, `params.yaml: <key>` -> the value.

        What is missing is left out; running the stage tells. Which ones there are is as `needed_for` found it. Raises
        PipelineError.
        """
        with _dvc_errors():
            found: dict[str, str] = {}
            for dep in (self._described.get(address) or self._stage(address)).deps:
                try:
                    value = dep.get_hash().value
                except (DependencyDoesNotExistError, MissingParamsError, FileNotFoundError):
                    continue
                if isinstance(value, dict):
                    found |= {f"{dep.def_path}: {key}": repr(part) for key, part in value.items()}
                else:
                    found[dep.def_path] = value
            return found

    def forget(self, address: str) -> None:
        """Make DVC take the stage for one that has never run with what it depends on now. Raises PipelineError."""
        with self.exclusive():
            stage = self._stage(address)
            stage.dvcfile._lockfile.remove_stage(stage)
            if _can_hash(stage):
                shutil.rmtree(self._repo.stage_cache._get_cache_dir(_get_stage_hash(stage)), ignore_errors=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep every other DVC from reading or writing the project. Raises PipelineError."""
        with _dvc_errors(), lock_repo(self._repo):
            yield

    def lock_entries(self) -> dict[str, Entry]:
        """Every stage's entry in dvc.lock by address, read while no DVC process is writing it. Raises PipelineError."""
        with self.exclusive():
            return read_lock(self.root)

    def _stage(self, address: str) -> Any:
        return next(stage for stage in self._repo.index.stages if stage.addressing == address)


@contextmanager
def _dvc_errors() -> Iterator[None]:
    try:
        yield
    except DvcException as error:
        raise PipelineError(f"DVC: {error}") from error


def _describe(stage: Any, graph: networkx.DiGraph) -> Stage:
    upstream = tuple(sorted(dep.addressing for dep in graph.successors(stage) if dep.cmd))
    outs = tuple(out.def_path for out in stage.outs)
    return Stage(stage.addressing, upstream, hints_of(stage.addressing, stage.meta), outs)
