"""DVC's remote: where the results that dvc.lock names go, and from where they come back without running anything.

DVC's own `push` and `pull` leave out what is uncached (tables, curves: git has them). Here these travel, too, so that a
clone needs nothing but dvc.lock.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
from dvc.config import NoRemoteError
from dvc.exceptions import ConfirmRemoveError, DvcException

from flows.engine.dvc import Project
from snnprune.core.errors import UserError

DENIED = ("Credential", "PermissionDenied", "PermissionError", "AccessDenied", "Auth")  # in names of errors
# DVC warns of each file that a remote lacks; here they are counted.
logging.getLogger("dvc.data_cloud").setLevel(logging.ERROR)
NO_REMOTE = "no remote is configured; name one: dvc remote add --default NAME URL (docs/sharing.md)"


@dataclass(frozen=True)
class Transfer:
    """Between here and which remote, how many files were copied, how many bytes, and how many files were there."""

    remote: str
    files: int
    size: int
    already: int


class SharedProject(Project):
    """A DVC project and its default remote."""

    def __init__(self, root: Path) -> None:
        """Open both. Raises UserError: DVC cannot read the project, no remote is configured, or what reads that kind of
        remote is not installed."""
        super().__init__(root)
        with _remote_errors("the remote"):
            remote = self._repo.cloud.get_remote()
            self._where = f"remote {remote.name} ({remote.fs.unstrip_protocol(remote.path)})"

    def with_results(self, target: str) -> tuple[list[str], list[str]]:
        """The addresses of the stages that `target` needs, itself included, sorted: those that have a result in
        dvc.lock, and those that have none."""
        stages = networkx.descendants(self._graph, self._stages[target]) | {self._stages[target]}
        addresses = sorted(stage.name for stage in stages if stage.cmd)
        return [name for name in addresses if name in self._entries], [
            name for name in addresses if name not in self._entries
        ]

    def lacking(self, addresses: Iterable[str]) -> list[str]:
        """The outputs of stages that are neither in the cache nor here as dvc.lock has them."""
        with self._turn, self._repo.lock:
            outs = [out for _, out in self._outs(addresses)]
            return [out.def_path for out in outs if out.changed_cache() and out.workspace_status()]

    def push(self, addresses: Iterable[str]) -> Transfer:
        """Copy the results of stages, of which none is `lacking`, to the remote. Raises UserError: the remote cannot be
        used or does not take them."""
        with self._turn, self._repo.lock, _remote_errors(self._where):
            outs = [out for _, out in self._outs(addresses)]
            for out in outs:
                if out.changed_cache():
                    with self._repo.stage_cache._cache_type_copy():
                        out.commit()  # git has it, the cache not yet
            contents = _contents(outs)
            done = self._repo.cloud.push(contents)
            if done.failed:
                raise UserError(f"{len(done.failed)} of {len(contents)} files did not reach {self._where}; try again")
            return self._summed(done.transferred, contents)

    def pull(self, addresses: Iterable[str]) -> Transfer:
        """Copy those results of stages that are not here from the remote to the cache and the folder. Raises UserError:
        the remote lacks some or cannot be used, or a file here is neither what dvc.lock names nor cached."""
        cache = self._repo.cache.local
        with self._turn, self._repo.lock, _remote_errors(self._where):
            outs = self._outs(addresses)
            away = [(own, out) for own, out in outs if own.status()]
            folders = {out.hash_info for _, out in away if out.hash_info.isdir}
            transferred = set(self._repo.cloud.pull(folders).transferred)  # they list what is in them
            unknown = [out for _, out in away if out.hash_info.isdir and not cache.exists(out.hash_info.value)]
            contents = _contents([out for _, out in away if out not in unknown])
            transferred |= self._repo.cloud.pull(contents).transferred
            lost = sum(out.meta.nfiles or 1 for out in unknown)
            lost += sum(not cache.exists(item.value) for item in contents)
            if lost:
                raise UserError(
                    f"{lost} files are not in {self._where}{self._absent()}; say `snnprune push` where they were made, "
                    "or make them here: snnprune run EXPERIMENT"
                )
            self._check_out(away)
            return self._summed(transferred, _contents([out for _, out in outs]))

    def _absent(self) -> str:
        """What to add where the remote's folder is not there: a disk may not be mounted."""
        remote = self._repo.cloud.get_remote()
        return "" if remote.fs.exists(remote.path) else ", which is empty or not there"

    def _outs(self, addresses: Iterable[str]) -> list[tuple[Any, Any]]:
        """DVC's objects for the outputs of stages that dvc.lock names, each with one that DVC takes for cached."""
        pairs = []
        for address in addresses:
            stage = self._stages[address]
            named = self._repo.stage_cache._create_stage(self._entries[address], wdir=stage.wdir)
            own = {out.def_path: out for out in stage.outs}
            pairs += [(own[out.def_path], out) for out in named.outs if out.def_path in own]
        return pairs

    def _check_out(self, away: Sequence[tuple[Any, Any]]) -> None:
        for own, out in away:
            try:
                if own.use_cache:
                    own.checkout()
                else:
                    with self._repo.stage_cache._cache_type_copy():  # never a link: git tracks it
                        out.checkout()
            except ConfirmRemoveError as error:
                raise UserError(
                    f"{out.def_path} here is not what dvc.lock names, nor a result in the cache; "
                    "move it away (or `git checkout` it), then pull again"
                ) from error

    def _summed(self, transferred: Collection[Any], contents: Collection[Any]) -> Transfer:
        cache = self._repo.cache.local
        files = {item.value for item in transferred if not item.isdir}
        size = sum(Path(cache.oid_to_path(value)).stat().st_size for value in files)
        return Transfer(self._where, len(files), size, len({item.value for item in contents if not item.isdir} - files))


def _contents(outs: Iterable[Any]) -> set[Any]:
    """The hashes of all files of outputs, and of the lists of those that are folders, once these are in the cache."""
    contents = set()
    for out in outs:
        contents.add(out.hash_info)
        if out.hash_info.isdir:
            contents |= {item for _, _, item in out.get_obj() or ()}
    return contents


@contextmanager
def _remote_errors(where: str) -> Iterator[None]:
    """While in here, whatever a remote complains of is a UserError of one line. Each kind of storage has a library of
    its own, whose errors have no base in common."""
    try:
        yield
    except UserError:
        raise
    except NoRemoteError as error:
        raise UserError(NO_REMOTE) from error
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        names = {kind.__name__ for kind in type(error).__mro__}
        if any(part in name for part in DENIED for name in names):
            raise UserError(
                f"{where} refuses access ({lines[0]}); correct its credentials (docs/sharing.md)"
            ) from error
        if isinstance(error, DvcException | OSError) or "boto" in type(error).__module__:
            raise UserError(f"{where} cannot be used: {lines[0]}") from error
        raise
