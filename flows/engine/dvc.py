"""DVC as a library. Its internals are known here, in graph.py, in_use.py, parsed.py and remote.py alone (DVC is pinned,
and tests hold every step against `dvc`).

A stage is brought up to date as `dvc repro` does it, but in this process and with the command run by somebody else:
`begin` decides, takes a result from the run cache, or clears the way for the command; `finish` looks whether the
inputs are still the same, and only then takes the outputs into the cache and the entry into dvc.lock.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import networkx
from dvc.dependency.base import DependencyDoesNotExistError
from dvc.dependency.param import MissingParamsError
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.rwlock import rwlock
from dvc.scm import SCMError
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.serialize import to_lockfile
from dvc.utils.serialize import dumps_yaml, loads_yaml
from dvc_data.hashfile.hash_info import HashInfo

from flows.engine.graph import graph_of, outs_of
from flows.engine.in_use import forget_dead_holders
from flows.engine.lockfile import HEAD, Entry, with_entry
from flows.engine.parsed import remember_params
from flows.engine.stage import Stage, StageFailed
from pipeline.io.files import write_text
from snnprune.core.errors import UserError

# DVC draws no bars then: one for every file that it hashes or stores would push the flow's own lines off a terminal.
for drawer in ("dvc.progress", "dvc_data.callbacks"):
    logging.getLogger(drawer).setLevel(logging.CRITICAL)

# DVC's objects for a stage's inputs and outputs, each with the hash, size and content it has noted of it.
Noted = list[tuple[Any, Any, Any, Any]]


class Project:
    """The DVC project in a folder. It may be used from several threads; they take turns."""

    def __init__(self, root: Path) -> None:
        """Open the project, with the stages as dvc.yaml and dvc.lock have them now. `root` must be the working folder:
        DVC's run cache knows no other. Raises UserError: DVC cannot read it."""
        self.root = root.resolve()
        _require_readable(self.root)
        remember_params()
        self._turn = RLock()
        self._running: dict[str, tuple[ExitStack, dict[str, Any], Noted]] = {}
        with _project_errors(root):
            # Waiting for the lock is what `dvc --wait-for-lock` does: others hold it for moments only.
            self._repo = Repo(str(root), _wait_for_lock=True)
            with self._repo.lock:
                self._graph = graph_of(self._repo.index)
        self._stages = {stage.name: stage for stage in self._graph if stage.cmd}
        if elsewhere := {stage.path for stage in self._stages.values()} - {str(self.root / "dvc.yaml")}:
            raise UserError(f"stages of other folders are not run by a flow: {', '.join(sorted(elsewhere))}")
        recorded = next(iter(self._stages.values())).dvcfile.lockfile_contents if self._stages else {}
        self._entries: dict[str, Entry] = dict(recorded.get("stages", {}))

    def addresses(self) -> list[str]:
        """The addresses of all stages, sorted."""
        return sorted(self._stages)

    def entry(self, address: str) -> Entry | None:
        """What dvc.lock has of a stage, as this object read or wrote it."""
        return self._entries.get(address)

    def needed_for(self, target: str) -> list[Stage]:
        """The stages that `target` needs and itself, each after those it waits for; the same order every time. Of those
        that could come next, the one with the longest way to the target comes first, of equals the one that joins the
        results of more stages, which takes longer: workers seldom idle. Raises
        UserError: no stage has that address, a stage's `meta` holds a timeout that is none, or an input that no stage
        makes is not there, such as the folder of a dataset."""
        if target not in self._stages:
            raise UserError(f"no stage {target!r}; there are: {', '.join(self.addresses())}")
        needed = networkx.descendants(self._graph, self._stages[target]) | {self._stages[target]}
        graph = self._graph.subgraph(stage for stage in needed if stage.cmd)
        outs = self._repo.index.outs_trie
        inputs = [(stage, dep) for stage in graph if not stage.frozen for dep in stage.deps if not outs_of(dep, outs)]
        if lost := sorted(f"{stage.name} needs {dep.def_path}" for stage, dep in inputs if not dep.exists):
            raise UserError(f"{'; '.join(lost)}: not there; put it back, or correct params.yaml")
        layers = enumerate(networkx.topological_generations(graph))
        steps_left = {stage: steps for steps, layer in layers for stage in layer}
        order = networkx.lexicographical_topological_sort(
            graph.reverse(copy=False), key=lambda stage: (-steps_left[stage], -graph.out_degree(stage), stage.name)
        )
        return [self._describe(stage, graph) for stage in order]

    def out_of_date(self, stages: Sequence[Stage]) -> set[str]:
        """Of the stages those that DVC takes for changed. Raises UserError."""
        with self._turn, _project_errors(self.root), self._repo.lock:
            forget_dead_holders(Path(self._repo.tmp_dir) / "rwlock")
            return {stage.address for stage in stages if _is_changed(self._stages[stage.address])}

    def begin(self, address: str) -> Literal["unchanged", "cached", "ran"]:
        """What is to become of a stage: nothing, its result has come from the run cache, or its command must run.
        Unless nothing, `finish` or `abandon` must follow; until then DVC takes the stage for running in this process.
        Raises StageFailed: an input is missing, or another DVC works on the stage.
        """
        stage = self._stages[address]
        with self._changing(address):
            if not _is_changed(stage):
                return "unchanged"
            noted = _noted(stage)
            stage.remove_outs(ignore_remove=False, force=False)
            outcome = "cached"
            try:
                self._repo.stage_cache.restore(stage)
            except RunCacheNotFoundError:
                outcome = "ran"
            stage.save_deps()
            held = ExitStack()
            held.enter_context(
                rwlock(
                    self._repo.tmp_dir,
                    self._repo.fs,
                    f"the flow's {address}",
                    [dep.fs_path for dep in stage.deps],
                    [out.fs_path for out in stage.outs],
                    self._repo.config["core"].get("hardlink_lock", False),
                )
            )
            self._running[address] = held, _inputs(stage), noted
            return outcome

    def finish(self, address: str) -> list[str]:
        """Take a stage's outputs into the cache and its entry into dvc.lock, unless inputs were edited since `begin`.
        Those edited are returned, `params.yaml: KEY` for a param; nothing is recorded then and it can begin again.
        Raises StageFailed: an output is missing."""
        stage = self._stages[address]
        with self._changing(address):
            held, before, noted = self._running.pop(address)
            held.close()
            try:
                stage.save(run_cache=False)
                after = _inputs(stage)
            except (DependencyDoesNotExistError, MissingParamsError) as error:
                after = {**before, str(error): "missing"}
            if edited := sorted(name for name in before | after if before.get(name) != after.get(name)):
                _restore(noted)
                return edited
            if all(out.use_cache or out.is_metric or out.is_plot for out in stage.outs):  # DVC's own rule
                self._repo.stage_cache.save(stage)
            stage.commit()
            self._record(stage)
            return []

    def abandon(self, address: str) -> None:
        """A stage that began will not finish: it can begin again."""
        with self._turn, self._repo.lock:
            held, _, noted = self._running.pop(address)
            held.close()
            _restore(noted)

    def why(self, address: str) -> tuple[str, list[str]]:
        """What `begin` would do, without doing it, and why: the changed inputs and missing or changed outputs."""
        stage = self._stages[address]
        with self._turn, _project_errors(self.root):
            deps = [name for dep in stage.deps for name in _names(dep.status())]
            outs = [out.def_path for out in stage.outs if out.status()]
            reasons = [*deps, *outs, *(["its command"] if stage.changed_stage() else [])]
            if not reasons:
                return "unchanged", []
            if address not in self._entries:
                reasons = ["not built"]
            noted = _noted(stage)
            try:
                if deps or stage.changed_stage():  # DVC would take the outputs it has noted for those of these inputs
                    stage.save_deps()
                    for out in stage.outs:
                        out.hash_info = HashInfo()
                self._repo.stage_cache.restore(stage, dry=True)
            except (RunCacheNotFoundError, DependencyDoesNotExistError, MissingParamsError, FileNotFoundError):
                return "ran", reasons
            finally:
                _restore(noted)
            return "cached", reasons

    def _record(self, stage: Any) -> None:
        """Write a stage's entry into dvc.lock, whole or not at all; the bytes are those that DVC writes. DVC parses and
        writes the whole file, which takes seconds once it has thousands of lines. A link, and another layout than DVC's
        own, are left to DVC."""
        entry = dumps_yaml({"stages": _unshared(to_lockfile(stage))}).removeprefix("stages:\n")
        lockfile = stage.dvcfile._lockfile
        path = Path(lockfile.path)
        text = path.read_text(encoding="utf-8") if path.is_file() else HEAD
        updated = None if path.is_symlink() else with_entry(text, entry)
        if updated is None:
            lockfile.dump(stage)
        elif updated != text or not path.is_file():
            write_text(path, updated)
            self._repo.scm_context.track_file(lockfile.relpath)
        self._entries |= loads_yaml(entry)  # as whoever reads the file will have it

    def _describe(self, stage: Any, graph: networkx.DiGraph) -> Stage:
        return Stage(
            address=stage.name,
            upstream=tuple(sorted(other.name for other in graph.successors(stage))),
            outs=tuple(out.def_path for out in stage.outs),
            commands=tuple(stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines()),
            root=self.root,
            folder=Path(stage.wdir),
            timeout=timeout_of(stage.name, stage.meta),
        )

    @contextmanager
    def _changing(self, address: str) -> Iterator[None]:
        """Keep other threads and other DVCs out; what DVC complains of is the stage's failure."""
        with self._turn, self._repo.lock:
            try:
                with self._repo.scm_context(quiet=True):
                    yield
            except (DvcException, OSError) as error:
                if address in self._running:
                    self._running.pop(address)[0].close()
                raise StageFailed(address, f"DVC: {error}") from error


def _require_readable(root: Path) -> None:
    """Check that DVC can work in a folder: it hashes paths as UTF-8, and takes braces for fields of its messages.
    Raises UserError."""
    if re.search(r"[{}\ud800-\udfff]", str(root)):
        raise UserError(f"{str(root)!a}: DVC cannot work in a folder with {{, }} or bytes that are no UTF-8; rename it")


def timeout_of(address: str, meta: Any) -> float | None:
    """The seconds of `meta: {timeout: SECONDS}` in dvc.yaml; `meta`'s other keys are anybody's. Raises UserError."""
    found = meta.get("timeout") if isinstance(meta, dict) else None
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or found <= 0:
        raise UserError(f"{address}: meta.timeout: expected seconds, a number above 0; found {found!r}")
    return float(found)


def apply_overrides(params: Path, overrides: list[str]) -> None:
    """Change params.yaml by overrides in the syntax of `dvc exp run -S`. Raises UserError for one that is none."""
    if wrong := [text for text in overrides if "=" not in text and not text.startswith("~")]:
        raise UserError(f"overrides: expected KEY=VALUE, such as experiments.digits.train.epochs=3; found {wrong[0]!r}")
    from dvc.utils.hydra import apply_overrides as apply  # takes a moment

    try:
        apply(str(params), overrides)
    except DvcException as error:
        raise UserError(f"{error}: {' '.join(overrides)}: {error.__cause__}") from error


def cache_folder(root: Path) -> str:
    """The absolute path of a project's DVC cache. Raises UserError."""
    with _project_errors(root):
        return Repo(str(root)).cache.local_cache_dir


@contextmanager
def _project_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except NotDvcRepoError as error:
        raise UserError(f"{root} is no DVC project; run from the project's root folder") from error
    except SCMError as error:
        raise UserError(f"{error}, which DVC needs (an unpacked archive?); make it one: git init") from error
    except DvcException as error:
        raise UserError(f"DVC: {error}") from error


def _noted(stage: Any) -> Noted:
    """The hashes that DVC's object has of inputs and outputs: at first those of dvc.lock, by which DVC decides."""
    return [(item, item.hash_info, item.meta, item.obj) for item in (*stage.deps, *stage.outs)]


def _restore(noted: Noted) -> None:
    """Forget what an attempt noted since: outputs of other inputs would be taken for the result."""
    for item, hash_info, meta, obj in noted:
        item.hash_info, item.meta, item.obj = hash_info, meta, obj


def _is_changed(stage: Any) -> bool:
    """What `Stage.changed` says, without entering each question into the list of files in use."""
    if stage.frozen:
        return False
    items = (*stage.deps, *stage.outs)
    return bool(
        stage.is_callback or stage.always_changed or stage.changed_stage() or any(item.status() for item in items)
    )


def _inputs(stage: Any) -> dict[str, Any]:
    """What the stage depends on as DVC's object has it: path -> hash, `params.yaml: KEY` -> value."""
    found: dict[str, Any] = {}
    for dep in stage.deps:
        value = dep.hash_info.value
        if isinstance(value, dict):
            found |= {f"{dep.def_path}: {key}": part for key, part in value.items()}
        else:
            found[dep.def_path] = value
    return found


def _names(status: Mapping[str, Any]) -> list[str]:
    """The changed inputs in what `status` of one says: of a file its path, of a file of params its keys."""
    return [
        name
        for path, found in status.items()
        for name in ([f"{path}: {key}" for key in found] if isinstance(found, dict) else [path])
    ]


def _unshared(value: Any) -> Any:
    """A copy in which no list or dict stands twice: YAML would write an alias, the same one for every entry."""
    if isinstance(value, dict):
        return {key: _unshared(part) for key, part in value.items()}
    return [_unshared(part) for part in value] if isinstance(value, list) else value
