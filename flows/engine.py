"""Brings a DVC target up to date stage by stage, in the order of DVC's graph, and tracks each result.

It knows nothing of what the stages compute, and nothing of Prefect: how one stage is carried out is handed in.
"""

import time
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from threading import Lock

from flows.graph import Pipeline, Stage
from flows.lockfile import Entry
from flows.process import Outcome, Say, reproduce
from flows.tracking import Tracking
from flows.workspace import workspace


@dataclass(frozen=True)
class Done:
    """How a stage came to be up to date, and in how many seconds."""

    address: str
    outcome: Outcome
    seconds: float

    def __str__(self) -> str:
        time_taken = "" if self.outcome == "unchanged" else f" in {self.seconds:.0f} s"
        return f"{self.address}: {self.outcome}{time_taken}"


class Work:
    """What there is to do for one stage, whoever carries it out."""

    def __init__(self, pipeline: Pipeline, tracking: Tracking, out_of_date: Set[str]) -> None:
        """`out_of_date` holds the addresses that are so before anything is run."""
        self._pipeline = pipeline
        self._tracking = tracking
        self._out_of_date = out_of_date
        self._something_ran = False
        self._entries: Mapping[str, Entry] = {}
        self._index = Lock()  # DVC's index is no thing for several threads

    def bring_up(self, stage: Stage, say: Say, tags: Mapping[str, str]) -> Done:
        """Run the stage if DVC says that it is out of date, and show its result in MLflow with `tags`.

        Raises:
            StageFailed: the stage exited with an error.
            PipelineError: DVC cannot read the project.
        """
        start = time.monotonic()
        outcome: Outcome = "unchanged"
        with self._index:
            out_of_date = self._is_out_of_date(stage)
        if out_of_date:
            outcome = reproduce(stage.address, self._pipeline.root, say)
            self._something_ran = True
        seconds = time.monotonic() - start
        with self._index:
            entry = self._entry(stage.address, fresh=out_of_date)
        if entry is not None:
            self._tracking.track(stage.address, entry, {"outcome": outcome, **tags})
        elif stage.has_entry_here:
            say(f"dvc.lock has no entry of {stage.address}, so MLflow does not show it")
        return Done(stage.address, outcome, seconds)

    def _is_out_of_date(self, stage: Stage) -> bool:
        """Asks DVC anew only when there is something new, for that takes a moment."""
        if self._something_ran:
            return self._pipeline.is_changed(stage.address)
        return stage.address in self._out_of_date

    def _entry(self, address: str, fresh: bool) -> Entry | None:
        if fresh or address not in self._entries:
            self._entries = self._pipeline.lock_entries()
        return self._entries.get(address)


CarryOut = Callable[[Work, Stage], Done]


def run_target(
    pipeline: Pipeline,
    target: str,
    *,
    say: Say,
    carry_out: CarryOut,
    before_work: Callable[[], None],
    lineage: Mapping[str, str],
    workers: int = 1,
) -> dict[str, Done]:
    """Bring a target and all that it needs up to date, up to `workers` stages at a time.

    `before_work` is called first if anything is out of date; `carry_out` must be safe to call from several threads when
    there are several workers.

    Raises:
        UnknownTarget: no stage has that address.
        WorkspaceBusy: another flow runs in this folder.
        StageFailed: a stage exited with an error; the stages after it have not been run.
        PipelineError: DVC cannot read the project.
    """
    stages = pipeline.needed_for(target)
    with workspace(pipeline.root):
        out_of_date = pipeline.out_of_date() & {stage.address for stage in stages}
        if out_of_date:
            before_work()
        tracking = Tracking(pipeline.root, say, lineage)
        work = Work(pipeline, tracking, out_of_date)
        done = run_all(stages, lambda stage: carry_out(work, stage), say, workers)
    say(count_outcomes(done))
    tracking.say_summary()
    return done


def run_all(stages: Sequence[Stage], run: Callable[[Stage], Done], say: Say, workers: int) -> dict[str, Done]:
    """Run the stages in the order of their graph, up to `workers` at a time.

    The first that `run` raises ends it: nothing more is started, what became of the running stages is said, and then it
    is raised.
    """
    done: dict[str, Done] = {}
    running: dict[Future[Done], str] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(workers) as pool:
        while running or (failure is None and len(done) < len(stages)):
            if failure is None:
                for stage in ready(stages, done, set(running.values()))[: workers - len(running)]:
                    # Prefect's context goes along.
                    running[pool.submit(copy_context().run, run, stage)] = stage.address
            wait(running, return_when=FIRST_COMPLETED)
            for future in [future for future in running if future.done()]:
                address = running.pop(future)
                error = future.exception()
                if error is None:
                    done[address] = future.result()
                    say(f"[{len(done)}/{len(stages)}] {done[address]}")
                elif failure is None:
                    failure = error
                    if running:
                        say(f"{address} failed; waiting for {', '.join(running.values())}")
                else:
                    say(f"{address} failed, too: {error}")
    if failure is not None:
        raise failure
    return done


def ready(stages: Sequence[Stage], done: Container[str], running: Container[str] = ()) -> list[Stage]:
    """The stages that are neither done nor running and wait for nothing any more, in the order given."""
    return [
        stage
        for stage in stages
        if stage.address not in done and stage.address not in running and all(other in done for other in stage.upstream)
    ]


def count_outcomes(done: Mapping[str, Done]) -> str:
    """`19 stages: 12 ran, 7 unchanged`."""
    counts = Counter(finished.outcome for finished in done.values())
    return f"{len(done)} stages: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
