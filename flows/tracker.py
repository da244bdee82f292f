"""Makes sure that each result is shown in MLflow by exactly one finished run, and that the newest ones are current."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from flows import narrowed, receipts
from flows.commit import COMMIT_TAG, commit_tags
from flows.lineage import COMMAND_TAG, KEY_TAG, STAGE_TAG
from flows.lockfile import Entry, key_of
from flows.mlflow_store import StageRun, Store, errors_named
from flows.results import Part, Place, Point, are_weights_here, read_result

Tracked = Literal["logged", "present"]
GROWING_KEY = "growing"  # the key of a run that shows no result yet


class Tracker:
    """One open store; `lineage` (tags of the flow run) goes with every run it logs."""

    def __init__(self, root: Path, lineage: Mapping[str, str] | None = None) -> None:
        """Open the store. Raises StoreError when the server does not answer."""
        self._root = root
        commit = commit_tags(root)
        source = {"mlflow.source.git.commit": commit[COMMIT_TAG]} if commit else {}
        self._lineage = {**commit, **source, **narrowed.tags(root), **(lineage or {})}
        self._store = Store(root)
        self._growing: dict[str, str] = {}

    def track(
        self, address: str, place: Place, entry: Entry, tags: Mapping[str, str] | None = None
    ) -> tuple[Tracked, str]:
        """Show the result that one dvc.lock entry has at `place`, and say where; `tags` say how it came about.

        What showed the stage while it ran is deleted.

        A run that was left half written is deleted and written again, and so is one written without weights once the
        weights are there.

        Raises:
            ContentChanged: the result files are not those that dvc.lock names.
            StoreError: the store could not be reached, or refused.
        """
        key, is_whole = key_of(entry), are_weights_here(self._root, entry)
        with self._store.writing():
            self._forget_receipt(place, address)
            runs = self._store.runs_of(place.experiment, address)
            self._growing.pop(address, None)
            self._store.delete([run for run in runs if run.key == GROWING_KEY])
            runs = [run for run in runs if run.key != GROWING_KEY]
            outcome: Tracked = "present" if _shows(runs, key, is_whole) else "logged"
            if outcome == "present":
                whole = next(run.run_id for run in runs if run.key == key and not run.is_child)
            else:
                result = read_result(self._root, place, entry)
                self._store.delete([run for run in runs if run.key == key])
                own = {STAGE_TAG: address, KEY_TAG: key, COMMAND_TAG: entry["cmd"], "mlflow.source.name": entry["cmd"]}
                whole = self._store.write(place.experiment, result, {**self._lineage, **own, **(tags or {})})
                runs = [run for run in runs if run.key != key]
            self._store.set_current(runs, key)
            where = self._store.where(place.experiment, whole)
            if is_whole:
                with errors_named():
                    receipts.note(self._root, place.experiment, address, key, where)
            return outcome, where

    def show_growing(self, address: str, place: Place, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Add points to the run of a stage that is running; it is started with the first, in the place of older ones.

        Raises:
            StoreError: the store could not be reached, or refused.
        """
        with self._store.writing():
            if address not in self._growing:
                self._forget_receipt(place, address)
                runs = self._store.runs_of(place.experiment, address)
                self._store.delete([run for run in runs if run.key == GROWING_KEY])
                own = {STAGE_TAG: address, KEY_TAG: GROWING_KEY}
                part = Part(place.name, place.labels, {}, [])
                self._growing[address] = self._store.start(
                    place.experiment, part, {**self._lineage, **own, **tags}, is_current=False
                )
            self._store.add_points(self._growing[address], points)

    def end_growing(self, address: str) -> None:
        """Let the run of a stage that did not finish end as failed. Raises StoreError."""
        if run := self._growing.pop(address, None):
            self._store.end_as_failed(run)

    def _forget_receipt(self, place: Place, address: str) -> None:
        """To be called before the store is changed: should that be cut off, no receipt tells of what was before."""
        with errors_named():
            receipts.forget(self._root, place.experiment, address)


def _shows(runs: Sequence[StageRun], key: str, weights_are_here: bool) -> bool:
    """Whether one of the runs is a finished one of this result, with its weights if they are to be had.

    The run of the whole stage is finished last, after its children.
    """
    return any(
        run.key == key and run.is_finished and not run.is_child and not (run.weights_absent and weights_are_here)
        for run in runs
    )
