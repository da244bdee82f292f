"""Shows results in MLflow: each stage's result files become one run, with a child run per sparsity level.

The files are the truth and MLflow is a view of them. A result is known by the hash of its dvc.lock entry, so showing it
again finds the run that is there. `python -m flows.tracking` shows everything that dvc.lock names; the flow tracks
stage by stage. When MLflow cannot be used, the work goes on.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, TypeVar

from ruamel.yaml import YAML

from flows import local_store
from flows.environment import set_defaults
from flows.live import following
from flows.lockfile import ContentChanged, Entry, key_of, read_lock
from flows.results import CURVE_FILE, Place, are_weights_here, place_of, place_of_paths
from flows.stage_runs import is_settled, shown_by
from pipeline.io.files import write_json

if TYPE_CHECKING:
    from flows.tracker import Tracked, Tracker

Used = TypeVar("Used")

MATRIX_FILE = "matrix.yaml"
REPLAY = "make track"
SHOW = "make ui"


class Tracking:
    """Tracks what it is given and never stops the work: one line says that MLflow cannot be used, then it is quiet.

    It may be called from several threads; they take turns.
    """

    def __init__(
        self,
        root: Path,
        say: Callable[[str], None],
        lineage: Mapping[str, str] | None = None,
        *,
        always_open: bool = False,
    ) -> None:
        """Nothing is opened before the first result that a local store does not show; `always_open`: before any."""
        self._root = root
        self._say = say
        self._lineage = lineage
        self._tracker: Tracker | None = None
        self._failed = False
        self._turn = Lock()
        self._always_open = always_open
        self.counts: Counter[str] = Counter()
        self.keys: dict[str, str] = {}

    def open_early(self) -> None:
        """Open the store in a thread of its own, beside the first stage: it takes seconds, and a result will come."""
        Thread(target=self._use, args=[lambda tracker: None], daemon=True).start()

    def track(self, address: str, entry: Entry, tags: Mapping[str, str] | None = None) -> str | None:
        """Show one result, if there is one under results/; where MLflow shows it (`Store.where`), as far as known.

        `keys` gets its key when it is shown whole, `counts` says how often what happened.
        """
        place = place_of(entry)
        if place is None:
            return None
        try:
            tracked = self._settled(address, place, entry) or self._use(
                lambda tracker: tracker.track(address, place, entry, tags)
            )
        except ContentChanged as error:
            self.counts["left out"] += 1
            self._say(f"tracking: {address} is left out: {error}")
            return None
        if tracked is None:
            return None
        outcome, where = tracked
        with self._turn:
            self.counts[outcome] += 1
            if are_weights_here(self._root, entry):
                self.keys[address] = key_of(entry)
        return where

    @contextmanager
    def following(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> Iterator[None]:
        """While in here, show how the curve grows that a stage writes among its `outs`, if there is one.

        The run that shows it ends as failed when an exception passes; `track` puts the result's in its place.
        """
        curve = next((self._root / out for out in outs if Path(out).name == CURVE_FILE), None)
        place = place_of_paths(outs)
        if curve is None or place is None:
            yield
            return
        try:
            with following(curve, lambda points: self._use(lambda t: t.show_growing(address, place, points, tags))):
                yield
        except BaseException:
            if self._tracker is not None:
                self._use(lambda tracker: tracker.end_growing(address))
            raise

    def _settled(self, address: str, place: Place, entry: Entry) -> "tuple[Tracked, str] | None":
        """What `Tracker.track` would return, when a local store shows the result already and nothing is left to do."""
        if self._always_open:
            return None
        key, runs = key_of(entry), local_store.runs_of(self._root, place.experiment, address)
        shown = shown_by(runs, key, are_weights_here(self._root, entry))
        return ("present", shown.run_id) if is_settled(runs, key, shown, is_local=True) else None

    def _use(self, use: "Callable[[Tracker], Used]") -> "Used | None":
        """What `use` returns, one caller at a time; None when MLflow cannot be used, which is said once."""
        from flows.mlflow_store import StoreError  # takes seconds
        from flows.tracker import Tracker

        with self._turn:
            if self._failed:
                return None
            try:
                if self._tracker is None:
                    self._tracker = Tracker(self._root, self._lineage)
                return use(self._tracker)
            except StoreError as error:
                self._failed = True
                self._say(f"tracking: MLflow cannot be used ({error}); the results are kept, run `{REPLAY}` later")
                return None

    def say_summary(self) -> None:
        """Say in one line what was done, unless MLflow could not be used, which has been said."""
        if not self._failed:
            left_out = f", {self.counts['left out']} left out" if self.counts["left out"] else ""
            self._say(
                f"tracking: {self.counts['logged']} results logged, {self.counts['present']} already there{left_out}; "
                f"`{SHOW}` opens MLflow"
            )


def replay(
    root: Path, entries: Mapping[str, Entry], say: Callable[[str], None], *, always_open: bool
) -> dict[str, str]:
    """Show every result of `entries`; the keys of those that MLflow now shows, by address."""
    tracking = Tracking(root, say, always_open=always_open)
    for address, entry in entries.items():
        tracking.track(address, entry)
    tracking.say_summary()
    return dict(sorted(tracking.keys.items()))


def entries_of(entries: Mapping[str, Entry], experiment: str | None, root: Path) -> dict[str, Entry]:
    """The entries with results, of one experiment or of all; what is no stage any more by matrix.yaml is left out.

    Raises:
        LookupError: no result of that experiment (the message lists those with results), or no matrix.yaml.
    """
    if not (root / MATRIX_FILE).is_file():
        raise LookupError(f"{MATRIX_FILE}, which lists the stages, was not found; `make matrix` makes it")
    stages = YAML(typ="safe").load(root / MATRIX_FILE)["stages"]
    addresses = {f"{stage}@{name}" for stage, names in stages.items() for name in names}
    places = {address: place_of(entry) for address, entry in entries.items() if address in addresses}
    experiments = sorted({place.experiment for place in places.values() if place})
    if experiment is not None and experiment not in experiments:
        there = ", ".join(experiments) or "none yet"
        raise LookupError(f"dvc.lock has no results of experiment {experiment!r}; experiments with results: {there}")
    return {
        address: entries[address]
        for address, place in places.items()
        if place and experiment in (None, place.experiment)
    }


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code is 0 also when MLflow cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m flows.tracking", description="Show all results in MLflow.")
    parser.add_argument("--experiment", help="only this one (default: all that have results)")
    parser.add_argument(
        "--receipt", type=Path, help="write here which results are shown, as JSON; open MLflow for new ones only"
    )
    options = parser.parse_args(arguments)
    set_defaults()
    root = Path.cwd()
    try:
        entries = entries_of(read_lock(root), options.experiment, root)
    except LookupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    keys = replay(root, entries, print, always_open=options.receipt is None)
    if options.receipt:
        write_json(options.receipt, keys)
    return 0


if __name__ == "__main__":
    sys.exit(main())
