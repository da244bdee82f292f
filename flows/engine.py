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

from flows.attempts import Run, bring_about, forget_unproven, run_here
from flows.graph import Pipeline, Stage
from flows.lockfile import Entry, key_of
from flows.process import Outcome, Say, StageFailed
from flows.progress import Progress
from flows.shown import Nowhere, Shown
from flows.stop import Stop
from flows.workspace import workspace


@dataclass(frozen=True)
class Done:
    """How a stage ended, in how many seconds, why if it failed, its result's hash, and the MLflow run that shows it."""

    address: str
    outcome: Outcome
    seconds: float = 0.0
    error: StageFailed | None = None
    dvc_hash: str | None = None
    mlflow_run: str | None = None

    @property
    def is_up_to_date(self) -> bool:
        """Whether stages that wait for it may run."""
        return self.outcome not in ("failed", "skipped")

    def __str__(self) -> str:
        time_taken = "" if self.outcome in ("unchanged", "skipped") else f" in {self.seconds:.0f} s"
        return f"{self.address}: {self.outcome}{time_taken}"


class FlowFailed(RuntimeError):
    """Some stages failed; the message holds each one's last lines, how to run it again, and what was skipped for it."""

    def __init__(self, done: Mapping[str, Done]) -> None:
        super().__init__(done)
        self.done = done

    def __str__(self) -> str:
        failed = [str(stage.error) for stage in self.done.values() if stage.outcome == "failed"]
        skipped = [stage.address for stage in self.done.values() if stage.outcome == "skipped"]
        return "\n".join([*failed, *([f"skipped, as they need what failed: {', '.join(skipped)}"] if skipped else [])])


class Work:
    """What there is to do for one stage, whoever carries it out."""

    def __init__(self, pipeline: Pipeline, tracking: Shown, out_of_date: Set[str], stop: Stop) -> None:
        """`out_of_date` holds the addresses that are so before anything is run."""
        self._pipeline = pipeline
        self._tracking = tracking
        self._out_of_date = out_of_date
        self._stop = stop
        self._something_ran = False
        self._entries: Mapping[str, Entry] | None = None
        self._index = Lock()  # DVC's index is no thing for several threads

    def bring_up(self, stage: Stage, say: Say, tags: Mapping[str, str], run: Run = run_here) -> Done:
        """Run the stage by `run` if DVC says that it is out of date, and show its result in MLflow with `tags`.

        Raises:
            Stopped: a request to stop ended it.
            PipelineError: DVC cannot read the project.
        """
        start = time.monotonic()
        outcome: Outcome = "unchanged"
        with self._index:
            out_of_date = self._is_out_of_date(stage)
            entry = None if out_of_date else self._recorded().get(stage.address)
        if out_of_date:
            self._something_ran = True
            try:
                with self._tracking.following(stage.address, stage.outs, tags):
                    brought = bring_about(self._pipeline, self._index, stage, say, self._stop, run)
                outcome, entry, tags = brought.outcome, brought.entry, {**tags, **brought.tags}
            except StageFailed as error:
                return Done(stage.address, "failed", time.monotonic() - start, error)
        seconds = time.monotonic() - start
        mlflow_run = None
        if entry is not None:
            mlflow_run = self._tracking.track(stage.address, entry, {"outcome": outcome, **tags})
        elif stage.has_entry_here:
            say(f"dvc.lock has no entry of {stage.address}, so MLflow does not show it")
        dvc_hash = None if entry is None else key_of(entry)
        return Done(stage.address, outcome, seconds, dvc_hash=dvc_hash, mlflow_run=mlflow_run)

    def _is_out_of_date(self, stage: Stage) -> bool:
        """Asks DVC anew only when there is something new, for that takes a moment.

        What was out of date is left to `dvc repro`, which looks again before it runs anything.
        """
        if stage.address in self._out_of_date:
            return True
        return self._something_ran and self._pipeline.is_changed(stage.address)

    def _recorded(self) -> Mapping[str, Entry]:
        """What dvc.lock has of the stages that are as they were when the flow began."""
        if self._entries is None:
            self._entries = self._pipeline.lock_entries()
        return self._entries


CarryOut = Callable[[Work, Stage], Done]
Report = Callable[[Progress], None]


def run_target(
    pipeline: Pipeline,
    target: str,
    *,
    say: Say,
    carry_out: CarryOut,
    before_work: Callable[[], None],
    tracking: Shown | None = None,
    workers: int = 1,
    report: Report = lambda progress: None,
    stop: Stop | None = None,
) -> dict[str, Done]:
    """Bring a target and all that it needs up to date, up to `workers` stages at a time.

    `before_work` is called first if anything is out of date; `carry_out` must be safe to call from several threads when
    there are several workers; `tracking` shows the results somewhere; `report` is told how far all is whenever a stage
    starts or ends; a request to `stop`, from whichever thread, ends all.

    Raises:
        UnknownTarget: no stage has that address.
        HintError: a stage's `meta` holds hints that are not allowed.
        WorkspaceBusy: another flow runs in this folder.
        FlowFailed: a stage failed; all that does not need it has been done.
        Stopped: a request to stop ended it.
        PipelineError: DVC cannot read the project.
    """
    stages = pipeline.needed_for(target)
    stop, tracking = stop or Stop(), tracking or Nowhere()
    with workspace(pipeline.root):
        forget_unproven(pipeline, say)
        out_of_date = pipeline.out_of_date(target)
        if out_of_date:
            before_work()
            tracking.open_early()
        work = Work(pipeline, tracking, out_of_date, stop)
        done = run_all(stages, lambda stage: carry_out(work, stage), say, workers, stop, report)
    say(count_outcomes(done))
    tracking.say_summary()
    if not all(stage.is_up_to_date for stage in done.values()):
        raise FlowFailed(done)
    return done


def run_all(
    stages: Sequence[Stage],
    run: Callable[[Stage], Done],
    say: Say,
    workers: int,
    stop: Stop,
    report: Report = lambda progress: None,
) -> dict[str, Done]:
    """Run the stages in the order of their graph, up to `workers` at a time, and say how each one ended.

    A stage that needs a failed one is skipped. What is raised, an interruption of this thread included, ends all.
    """
    start = time.monotonic()
    done: dict[str, Done] = {}
    running: dict[Future[Done], str] = {}

    def tell(line: str | None = None) -> None:
        progress = Progress(len(stages), len(done), tuple(running.values()), time.monotonic() - start)
        if line is not None:
            say(f"[{progress.done}/{progress.total}] {line}; {progress}")
        report(progress)

    with ThreadPoolExecutor(workers) as pool:
        try:
            while len(done) < len(stages):
                for stage in stages:
                    if stage.address not in done and any(_is_lost(done.get(other)) for other in stage.upstream):
                        done[stage.address] = Done(stage.address, "skipped")
                        tell(str(done[stage.address]))
                for stage in ready(stages, done, set(running.values()), workers):
                    # Prefect's context goes along.
                    running[pool.submit(copy_context().run, run, stage)] = stage.address
                    tell()
                wait(running, return_when=FIRST_COMPLETED)
                for future in [future for future in running if future.done()]:
                    address = running.pop(future)
                    done[address] = future.result()
                    tell(str(done[address]))
        except BaseException:
            stop.ask()
            if running:
                say(f"stopping {', '.join(running.values())}")
            raise
    return done


def ready(
    stages: Sequence[Stage], done: Container[str], running: Set[str] = frozenset(), workers: int = 1
) -> list[Stage]:
    """The stages to start now: they wait for nothing any more, and there is room for them, also beside their tag."""
    taken = Counter(stage.hints.concurrency for stage in stages if stage.address in running)
    found: list[Stage] = []
    for stage in stages:
        if len(running) + len(found) == workers:
            break
        tag = stage.hints.concurrency
        waits = any(other not in done for other in stage.upstream)
        is_full = tag is not None and taken[tag] >= min(s.hints.at_once for s in stages if s.hints.concurrency == tag)
        if stage.address not in done and stage.address not in running and not waits and not is_full:
            found.append(stage)
            taken[tag] += 1
    return found


def count_outcomes(done: Mapping[str, Done]) -> str:
    """`19 stages: 12 ran, 7 unchanged`."""
    counts = Counter(finished.outcome for finished in done.values())
    return f"{len(done)} stages: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


def _is_lost(done: Done | None) -> bool:
    return done is not None and not done.is_up_to_date
