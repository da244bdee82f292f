"""Makes sure that each result has exactly one finished run in MLflow, and that the newest ones are current."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from flows.engine.lockfile import Entry, key_of
from flows.tracking.ledger import Ledger, Logged, stamp_of, write_ledger
from flows.tracking.lineage import COMMAND_TAG, KEY_TAG, STAGE_TAG, commit_tags
from flows.tracking.results import Content, Place, Point, are_weights_here, read_result
from flows.tracking.runs import GROWING, find, settled, stale
from flows.tracking.store import Store, StoreError

Outcome = Literal["logged", "present"]


class Tracker:
    """One open store; `lineage` (tags of the flow run) goes with every run it logs, `suffix` with every experiment."""

    def __init__(self, root: Path, lineage: Mapping[str, str] | None = None, suffix: str = "") -> None:
        """Open the store. Raises StoreError when the server does not answer."""
        self._root = root
        self._suffix = suffix
        self._lineage = {**commit_tags(root), **(lineage or {})}
        self._store = Store(root)
        self._growing: dict[str, str] = {}

    def log(
        self, address: str, place: Place, entry: Entry, tags: Mapping[str, str] | None = None
    ) -> tuple[Outcome, Logged, str]:
        """Log the result that one dvc.lock entry has at `place`, unless it is there; its run, and the run's page.

        `tags` say how the result came about. What followed the stage while it ran is deleted, and so is a run that was
        left half written, or was written without weights once the weights are there: these are logged again.

        Raises:
            ContentChanged: the result files are not those that dvc.lock names.
            StoreError: the store could not be reached, or refused.
        """
        key, experiment = key_of(entry), place.experiment + self._suffix
        with self._store.writing():
            self._growing.pop(address, None)
            runs = self._store.runs_of(experiment, address)
            has_weights = are_weights_here(self._root, place)
            there = find(runs, key, with_weights=has_weights)
            result = read_result(self._root, place, entry) if there is None else None
            to_delete = stale(runs, key, there, is_local=self._store.database is not None)
            self._store.delete(to_delete)
            if result is None:
                logged = Logged(key, there.run_id, not there.weights_absent)
            else:
                own = {STAGE_TAG: address, KEY_TAG: key, COMMAND_TAG: entry["cmd"], "mlflow.source.name": entry["cmd"]}
                run_id = self._store.write(experiment, result, {**self._lineage, **own, **(tags or {})})
                logged = Logged(key, run_id, not result.weights_absent)
            self._store.set_current([run for run in runs if run not in to_delete], key)
        return "logged" if result else "present", logged, self._store.page_of(experiment, logged.run_id)

    def grow(self, address: str, place: Place, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Add points to the run that follows a stage at work; the first ones start it, in the place of older ones.

        Raises:
            StoreError: the store could not be reached, or refused.
        """
        experiment = place.experiment + self._suffix
        with self._store.writing():
            if not self._is_growing(address):
                runs = self._store.runs_of(experiment, address)
                self._store.delete([run for run in runs if run.key == GROWING])
                all_tags = {**self._lineage, STAGE_TAG: address, KEY_TAG: GROWING, **tags}
                content = Content(place.name, place.labels, {})
                self._growing[address] = self._store.start(experiment, content, all_tags, is_current=False)
            self._store.add_points(self._growing[address], points)

    def fail(self, address: str) -> None:
        """End the run that follows a stage which did not finish as failed. Raises StoreError."""
        if self._is_growing(address):
            self._store.fail(self._growing.pop(address))

    def write_ledger(self, experiments: Iterable[str]) -> None:
        """Note what a local store shows of these params experiments. Raises StoreError."""
        if self._store.database is None:
            return
        with self._store.writing():
            stamp, logged = stamp_of(self._store.database), {}
            for name in (experiment + self._suffix for experiment in experiments):
                stages = self._store.runs_by_stage(name).items()
                found = {address: run for address, runs in stages if (run := settled(runs))}
                logged[name] = {
                    address: Logged(run.key, run.run_id, not run.weights_absent) for address, run in found.items()
                }
            if stamp is None:
                return
            try:
                write_ledger(self._store.database, Ledger(stamp, logged))
            except OSError as error:
                raise StoreError(str(error)) from error

    def _is_growing(self, address: str) -> bool:
        """Whether a run follows the stage; a user, or another flow with a result of the stage, may delete it."""
        return address in self._growing and self._store.is_there(self._growing[address])
