"""Logs results to MLflow beside the work of the engine (its protocol: `flows.engine.stage.NoTracking`). A result is
known by the hash of its dvc.lock entry: logging it again finds the run that is there. When MLflow cannot be used, one
line says so and the work goes on; `snnprune track` logs what is missing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from flows.engine.cost import Cost
from flows.engine.lockfile import Entry, key_of
from flows.redact import reason_of, redact
from flows.tracking import costs
from flows.tracking.ledger import Logged, find_logged
from flows.tracking.lineage import commit_tags
from flows.tracking.location import local_database, store_folder
from pipeline.io.params import PARAMS_FILE, load_runtime
from pipeline.results.content import CURVE_FILE, are_weights_here, growing_curve
from pipeline.results.md5 import ContentChanged
from pipeline.results.place import Place, place_of

if TYPE_CHECKING:
    from flows.tracking.store import Store

INTERVAL = 10.0  # seconds between two looks at a growing curve; a stage that is over sooner needs no run to follow it


class Tracking:
    """Logs what it is given and never stops the work. It may be called from several threads; they take turns."""

    def __init__(
        self,
        root: Path,
        say: Callable[[str], None],
        lineage: Mapping[str, str] | None = None,
        *,
        experiment_suffix: str = "",
        use_ledger: bool = True,
    ) -> None:
        """Opens nothing yet.

        say: takes a line about what was done or failed. lineage: tags for every run. experiment_suffix: the results of
        `digits` are logged to the MLflow experiment `digits<experiment_suffix>`. use_ledger: ask MLflow only for what
        the ledger does not know, else for everything.
        """
        self._root, self._say, self._suffix = root, say, experiment_suffix
        # Now: while stages run, results that git knows are away.
        self._lineage = {**commit_tags(root), **(lineage or {})}
        self._database = local_database(root) if use_ledger else None
        self._store: Store | None = None
        self._failed = False
        self._turn = Lock()
        self._experiments: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.keys: dict[str, str] = {}

    def prepare(self) -> None:
        """Open the store in a thread of its own, beside the first stage: it takes seconds, and a result will come."""
        Thread(target=self._use, args=[lambda store: None], daemon=True).start()

    @contextmanager
    def follow(self, address: str, outs: Sequence[str], tags: Mapping[str, str]) -> Iterator[None]:
        """While in here, log the points of the curve that a stage writes among its `outs`, if there is one. They go to
        a run of their own, which ends as failed when an exception passes; `log` replaces it. What an earlier attempt
        left in the file is old: points are new once the file has changed."""
        curve = next((self._root / out for out in outs if Path(out).name == CURVE_FILE), None)
        place, over = place_of(outs), Event()
        if curve is None or place is None:
            yield
            return
        before = curve.stat().st_mtime_ns if curve.is_file() else None

        def look() -> None:
            logged = 0
            while not over.wait(INTERVAL):
                is_new = curve.is_file() and curve.stat().st_mtime_ns != before
                points = growing_curve(curve)[logged:] if is_new else []
                if points and not self._turn.locked():  # a stage does not wait for a curve
                    self._use(lambda store, points=points: store.grow(address, place, points, tags))
                    logged += len(points)

        thread = Thread(target=look, daemon=True)
        thread.start()
        is_done = False
        try:
            yield
            is_done = True
        finally:
            over.set()
            thread.join()
            if not is_done and self._store is not None:
                self._use(lambda store: store.fail(address))

    def keep_cost(self, key: str, cost: Cost) -> None:
        """Keep what a stage cost that has just made the result `key`, for its run, now or whenever it is logged."""
        with suppress(OSError):  # a full disk ends what matters more
            costs.keep(store_folder(self._root), key, cost, load_runtime(self._root / PARAMS_FILE).threads)

    def log(self, address: str, entry: Entry, tags: Mapping[str, str] | None = None) -> str | None:
        """Log one result, if it has one under results/; the page of its run, or the run's id in a local store. `keys`
        gets its key when it is logged with all its weights, `counts` says how often what happened."""
        place = place_of(out["path"] for out in entry.get("outs", ()))
        if place is None:
            return None
        try:
            done = self._from_ledger(address, place, entry) or self._use(lambda s: s.log(address, place, entry, tags))
        except ContentChanged as error:
            self.counts["left out"] += 1
            self._say(f"tracking: {address} is left out: {error}")
            return None
        if done is None:
            return None
        outcome, logged, page = done
        with self._turn:
            self.counts[outcome] += 1
            self._experiments.add(place.experiment)
            if logged.is_whole:
                self.keys[address] = logged.key
        return redact(page)

    def summarize(self) -> None:
        """One line of what was done, unless MLflow could not be used, which has been said; and the ledger."""
        if self._store is not None:
            self._use(lambda store: store.write_ledger(self._experiments))
        if not self._failed:
            left_out = f", {self.counts['left out']} left out" if self.counts["left out"] else ""
            done = f"{self.counts['logged']} results logged, {self.counts['present']} already there{left_out}"
            self._say(f"tracking: {done}; `snnprune ui` opens MLflow")
            if self.counts["logged"] and "git_commit" not in self._lineage:
                self._say("tracking: no git commit is noted with these results; `git log -1` says why git has none")

    @property
    def has_failed(self) -> bool:
        """Whether MLflow could not be used, which has been said."""
        return self._failed

    def _from_ledger(self, address: str, place: Place, entry: Entry) -> tuple[str, Logged, str] | None:
        """What `Store.log` would return when nothing is left to do, by the ledger of a local store."""
        logged = self._database and find_logged(self._database, place.experiment + self._suffix, address)
        if not logged or logged.key != key_of(entry):
            return None
        is_settled = logged.is_whole or not are_weights_here(self._root, place)
        return ("present", logged, logged.run_id) if is_settled else None

    def _use(self, use: "Callable[[Store], Any]") -> Any:
        """What `use` returns, one caller at a time; None when MLflow cannot be used, which is said once."""
        from flows.tracking.store import ERRORS, Store  # takes seconds

        with self._turn:
            if self._failed:
                return None
            try:
                self._store = self._store or Store(self._root, self._lineage, self._suffix)
                return use(self._store)
            except ERRORS as error:
                self._failed = True
                later = "the results are kept, run `snnprune track` later"
                self._say(f"tracking: MLflow cannot be used ({reason_of(error)}); {later}")
                return None
