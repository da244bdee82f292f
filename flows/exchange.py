"""Moves one stage's result between clones of the project: its files by the DVC remote, what they are by dvc.lock.

DVC's own way, `dvc push --run-cache` here and `dvc repro --pull` there, does not do for stages with results in git
(`cache: false`): DVC 3.67 pushes their entries of the run cache but not those files, so that the other clone runs the
stage again. Here a result is every file that its entry in dvc.lock names, and nothing is ever run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from dvc.config import RemoteConfigError
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.stage import PipelineStage, create_stage
from dvc.stage.loader import StageLoader

from flows.dvc_quick import dump_entries
from flows.lockfile import Entry, read_entry


class ExchangeError(RuntimeError):
    """A stage, or its result, cannot be handed to another clone."""


class Exchange:
    """One clone's end of the exchange; it may be used from several threads, which take turns."""

    def __init__(self, root: Path) -> None:
        """Open the clone in `root`. Raises ExchangeError when it is no DVC project or has no default remote."""
        self._root = root.resolve()
        self._turn = Lock()  # DVC's objects are not made for several threads
        with self._dvc_errors():
            # Copies, whatever the clone's own setting: files that are in git must not become links into the cache.
            self._repo = Repo(str(root), config={"cache": {"type": "copy"}}, _wait_for_lock=True)
        try:
            self._repo.cloud.get_remote()
        except RemoteConfigError as error:
            raise ExchangeError(
                f"{root} has no default DVC remote, by which clones exchange results: {error}; "
                "see `dvc remote add --help`"
            ) from error

    def outs(self) -> list[str]:
        """What all stages write: paths in the project, sorted."""
        with self._held():
            return sorted(Path(out.fs_path).relative_to(self._root).as_posix() for out in self._repo.index.outs)

    def is_portable(self, address: str) -> bool:
        """Whether the stage may run in another clone: DVC's run cache can hold it.

        Its rule: inputs that DVC knows, and no files outside DVC's cache but metrics and plots. So a clone that has
        the same inputs finds the result again, also when whoever asked for it is gone.
        """
        with self._held():
            stage = self._stage(address)
            files = [out for out in stage.outs if not (out.is_metric or out.is_plot)]
            return bool(stage.deps) and not stage.always_changed and all(out.use_cache for out in files)

    def publish(self, address: str) -> Entry:
        """Put a finished stage's result into the remote; its entry in dvc.lock, by which `receive` finds it.

        Raises:
            ExchangeError: there is no result, it is not the one that dvc.lock names, or the remote does not take it.
        """
        with self._held():
            entry = read_entry(self._root, address)
            if entry is None:
                raise ExchangeError(f"{self._root}: dvc.lock has no entry of {address}")
            copy = self._all_cached(entry)
            for out in copy.outs:
                out.commit(relink=False)
            if not copy.outs_cached():
                raise ExchangeError(f"{self._root}: the files of {address} are not those that dvc.lock names")
            for files in copy.get_used_objs().values():
                if self._repo.cloud.push(files).failed:
                    raise ExchangeError(f"{self._root}: the DVC remote did not take the files of {address}")
            self._repo.stage_cache.push(None)
            return entry

    def receive(self, address: str, entry: Entry) -> None:
        """Bring the result that `entry` names from the remote into this clone, files and dvc.lock.

        Raises:
            ExchangeError: the remote does not have it.
        """
        with self._held():
            copy = self._all_cached(entry)
            for files in copy.get_used_objs().values():
                self._repo.cloud.pull(files)
            if not copy.outs_cached():
                raise ExchangeError(
                    f"{self._root}: the DVC remote does not have the files of {address}; "
                    "do all clones name the same remote?"
                )
            copy.checkout(force=True)
            stage = self._stage(address)
            StageLoader.fill_from_lock(stage, entry)
            dump_entries(stage.dvcfile._lockfile, [stage])

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._turn, self._dvc_errors(), lock_repo(self._repo):
            yield

    @contextmanager
    def _dvc_errors(self) -> Iterator[None]:
        try:
            yield
        except DvcException as error:
            raise ExchangeError(f"DVC in {self._root}: {error}") from error

    def _stage(self, address: str) -> PipelineStage:
        return self._repo.stage.load_one(str(self._root / "dvc.yaml"), address)

    def _all_cached(self, entry: Entry) -> PipelineStage:
        """A stage with the outputs of `entry`, all of them for DVC's cache, also those that are in git."""
        outs = [out["path"] for out in entry["outs"]]
        stage = create_stage(
            PipelineStage,
            repo=self._repo,
            path=str(self._root / "dvc.yaml"),
            wdir=str(self._root),
            cmd=entry["cmd"],
            outs=outs,
        )
        StageLoader.fill_from_lock(stage, dict(entry))
        return stage
