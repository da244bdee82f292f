"""Makes sure that each result is shown in MLflow by exactly one finished run, and that the newest ones are current."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from flows import narrowed
from flows.commit import COMMIT_TAG, commit_tags
from flows.lineage import COMMAND_TAG, KEY_TAG, STAGE_TAG
from flows.lockfile import Entry, key_of
from flows.mlflow_store import Store
from flows.results import Part, Place, Point, are_weights_here, read_result
from flows.stage_runs import GROWING_KEY, shown_by, superfluous

Tracked = Literal["logged", "present"]


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
        key = key_of(entry)
        with self._store.writing():
            runs = self._store.runs_of(place.experiment, address)
            self._growing.pop(address, None)
            self._store.delete([run for run in runs if run.key == GROWING_KEY])
            runs = [run for run in runs if run.key != GROWING_KEY]
            shown = shown_by(runs, key, are_weights_here(self._root, entry))
            result = read_result(self._root, place, entry) if shown is None else None
            to_go = superfluous(runs, key, shown, is_local=self._store.is_local)
            self._store.delete(to_go)
            if result is None:
                run_id = shown.run_id
            else:
                own = {STAGE_TAG: address, KEY_TAG: key, COMMAND_TAG: entry["cmd"], "mlflow.source.name": entry["cmd"]}
                run_id = self._store.write(place.experiment, result, {**self._lineage, **own, **(tags or {})})
            self._store.set_current([run for run in runs if run not in to_go], key)
            return "logged" if result else "present", self._store.where(place.experiment, run_id)

    def show_growing(self, address: str, place: Place, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Add points to the run of a stage that is running; it is started with the first, in the place of older ones.

        Raises:
            StoreError: the store could not be reached, or refused.
        """
        with self._store.writing():
            if not self._is_growing(address):
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
        if self._is_growing(address):
            self._store.end_as_failed(self._growing.pop(address))

    def _is_growing(self, address: str) -> bool:
        """Whether a run shows the stage's curve; a user, or another flow with a result of the stage, may delete it."""
        return address in self._growing and self._store.is_there(self._growing[address])
