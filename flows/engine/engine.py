"""Brings a DVC target up to date stage by stage, in the order of DVC's graph, and tracks each result. It knows nothing
of what the stages compute, and nothing of Prefect: how one stage is carried out is handed in."""

import heapq
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from graphlib import TopologicalSorter
from queue import SimpleQueue
from threading import Event

from flows.engine.cost import Cost
from flows.engine.dvc import Project
from flows.engine.local import LocalExecutor
from flows.engine.lockfile import key_of
from flows.engine.stage import Executor, NoTracking, Outcome, Ran, Say, Stage, StageFailed
from flows.engine.stop import Stop
from flows.engine.workspace import workspace
from snnprune.core.errors import UserError

RETRIES = 2  # of a stage whose process was killed
BEING_LOGGED = 16  # at most so many results at once


@dataclass(frozen=True)
class Done:
    """How a stage ended, in how many seconds, why if it failed, its result's hash, the MLflow run that shows it, and
    what it cost if it ran. Stages that wait for it may run when it `is_up_to_date`."""

    address: str
    outcome: Outcome
    seconds: float = 0.0
    error: StageFailed | None = None
    dvc_hash: str | None = None
    mlflow_run: str | None = None
    cost: Cost | None = None

    @property
    def is_up_to_date(self) -> bool:
        return self.outcome not in ("failed", "skipped")

    def __str__(self) -> str:
        time_taken = "" if self.outcome in ("unchanged", "skipped") else f" in {self.seconds:.0f} s"
        return f"{self.address}: {self.outcome}{time_taken}"


@dataclass(eq=False)
class FlowFailed(UserError):
    """Some stages failed; the message holds each one's last lines, how to run it again, and what was skipped for it."""

    done: Mapping[str, Done]

    def __str__(self) -> str:
        failed = [str(stage.error) for stage in self.done.values() if stage.outcome == "failed"]
        skipped = [stage.address for stage in self.done.values() if stage.outcome == "skipped"]
        return "\n".join([*failed, *([f"skipped, as they need what failed: {', '.join(skipped)}"] if skipped else [])])


class Work:
    """What there is to do for one stage, whoever carries it out."""

    def __init__(
        self,
        project: Project,
        executor: Executor,
        tracking: NoTracking,
        out_of_date: Set[str],
        stop: Stop,
        made: Callable[[str], None],
    ) -> None:
        """`out_of_date` holds the addresses that are so before anything is run; `made` gets that of a stage whose
        result is there and is logged next."""
        self._project = project
        self._executor = executor
        self._tracking = tracking
        self._out_of_date = out_of_date
        self._stop = stop
        self._say_made = made
        self._logged: dict[str, Event] = {}
        self._made: set[str] = set()

    def bring_up(self, stage: Stage, say: Say, tags: Mapping[str, str]) -> Done:
        """Bring a stage up to date whose upstream is, and log its result with `tags`, after that of its upstream.
        Raises Stopped: a request to stop ended it."""
        try:
            return self._bring_up(stage, say, tags)
        finally:
            self._logging_of(stage.address).set()

    def _bring_up(self, stage: Stage, say: Say, tags: Mapping[str, str]) -> Done:
        start = time.monotonic()
        outcome: Outcome = "unchanged"
        ran: Ran | None = None
        if stage.address in self._out_of_date or self._made.intersection(stage.upstream):
            try:
                outcome, ran = self._bring_about(stage, say, tags)
            except StageFailed as error:
                return Done(stage.address, "failed", time.monotonic() - start, error)
        if outcome != "unchanged":
            self._made.add(stage.address)
        seconds = time.monotonic() - start
        entry = self._project.entry(stage.address)
        if entry is None:  # a frozen stage
            return Done(stage.address, outcome, seconds)
        where, cost = (ran.where, ran.cost) if ran else ({}, None)
        if cost is not None:
            self._tracking.keep_cost(key_of(entry), cost)
        self._say_made(stage.address)
        for other in stage.upstream:  # what is logged of a stage may go to the runs of one before it
            self._logging_of(other).wait()
        mlflow_run = self._tracking.log(stage.address, entry, {"outcome": outcome, **tags, **where})
        return Done(stage.address, outcome, seconds, dvc_hash=key_of(entry), mlflow_run=mlflow_run, cost=cost)

    def _logging_of(self, address: str) -> Event:
        """Set when it is over; whoever asks first makes it."""
        return self._logged.setdefault(address, Event())

    def _bring_about(self, stage: Stage, say: Say, tags: Mapping[str, str]) -> tuple[Outcome, Ran | None]:
        """Run the stage unless DVC has its result; again after its process was killed, and once after an edit. A result
        whose inputs were edited meanwhile is never recorded: of which of them it is, nobody knows."""
        retries, is_second_run = RETRIES, False
        while True:
            outcome = self._project.begin(stage.address)
            if outcome == "unchanged":
                return outcome, None
            ran: Ran | None = None
            try:
                if outcome == "ran":
                    with self._tracking.follow(stage.address, stage.outs, tags):
                        ran = self._executor.run(stage, say, self._stop)
            except BaseException as error:
                self._project.abandon(stage.address)
                if not isinstance(error, StageFailed) or not error.is_transient or retries == 0:
                    raise
                retries -= 1
                say(f"{stage.address}: {error.reason}; running it again")
                continue
            edited = self._project.finish(stage.address)
            if not edited:
                return outcome, ran
            if is_second_run:
                raise StageFailed(stage.address, f"edited while it ran, twice: {', '.join(edited)}")
            is_second_run = True
            say(f"{stage.address}: edited while it ran: {', '.join(edited)}; running it again")


CarryOut = Callable[[Work, Stage], Done]
Events = SimpleQueue["str | Future[Done]"]  # a stage whose result is there and is logged next, or one that is over
Report = Callable[[float, str], None]  # the share of the stages that are done, and how far all is in words


def run_target(
    project: Project,
    target: str,
    *,
    say: Say,
    carry_out: CarryOut,
    before_work: Callable[[], None] = lambda: None,
    tracking: NoTracking | None = None,
    executor: Executor | None = None,
    workers: int = 1,
    report: Report = lambda share, text: None,
    stop: Stop | None = None,
) -> dict[str, Done]:
    """Bring a target and all that it needs up to date, up to `workers` stages at a time.

    `before_work` is called first if anything is out of date, while the executor gets ready; `carry_out` must be safe to
    call from several threads when there are several workers; `executor` runs the commands, by default on this machine;
    `report` gets how far all is whenever a stage starts or ends; a request to `stop`, from whichever thread, ends all.

    Raises:
        UserError: no stage has that address, another flow runs in this folder, or DVC cannot read the project.
        FlowFailed: a stage failed; all that does not need it has been done.
        Stopped: a request to stop ended it.
    """
    stages = project.needed_for(target)
    stop, tracking, executor = stop or Stop(), tracking or NoTracking(), executor or LocalExecutor()
    with workspace(project.root):
        out_of_date = project.out_of_date(stages)
        if out_of_date:
            executor.prepare(stage for stage in stages if stage.address in out_of_date)
            before_work()
            tracking.prepare()
        events: Events = SimpleQueue()
        work = Work(project, executor, tracking, out_of_date, stop, events.put)
        done = run_all(stages, lambda stage: carry_out(work, stage), say, workers, stop, report, events)
    say(count_outcomes(done))
    tracking.summarize()
    if not all(stage.is_up_to_date for stage in done.values()):
        raise FlowFailed(done)
    return done


def run_all(
    stages: Sequence[Stage],
    run: Callable[[Stage], Done],
    say: Say,
    workers: int,
    stop: Stop,
    report: Report = lambda share, text: None,
    events: Events | None = None,
) -> dict[str, Done]:
    """Run the stages in the order of their graph, up to `workers` at a time, and say how each one ended. Once the
    address of one comes in `events`, what needs it may run, while it is logged. One that needs a failed one is skipped.
    What is raised, an interruption of this thread included, ends all."""
    start = time.monotonic()
    place = {stage.address: index for index, stage in enumerate(stages)}
    graph = TopologicalSorter({stage.address: stage.upstream for stage in stages})
    graph.prepare()
    done: dict[str, Done] = {}
    running: dict[Future[Done], str] = {}
    made: set[str] = set()  # some of those are still running: they are being logged
    ready: list[int] = []
    events = events or SimpleQueue()

    def being_logged() -> int:
        return len(made.intersection(running.values()))

    def tell(line: str | None = None) -> None:
        left, so_far = len(stages) - len(done) - len(running), timedelta(seconds=round(time.monotonic() - start))
        logged = f"{being_logged()} being logged, " if being_logged() else ""
        text = f"{len(running) - being_logged()} running, {logged}{left} left, {so_far}"
        if line is not None:
            say(f"[{len(done)}/{len(stages)}] {line}; {text}")
        report(len(done) / len(stages), f"{text}: {', '.join(running.values())}")

    def end(finished: Done) -> None:
        done[finished.address] = finished
        if finished.address not in made:
            graph.done(finished.address)
        tell(None if finished.outcome == "skipped" else str(finished))  # FlowFailed names those

    with ThreadPoolExecutor(workers + BEING_LOGGED) as pool:
        try:
            while graph.is_active() or running:
                while fresh := graph.get_ready():
                    for address in fresh:
                        if all(other in made or done[other].is_up_to_date for other in stages[place[address]].upstream):
                            heapq.heappush(ready, place[address])
                        else:
                            end(Done(address, "skipped"))
                while ready and len(running) - being_logged() < workers and being_logged() < BEING_LOGGED:
                    stage = stages[heapq.heappop(ready)]
                    # Prefect's context goes along.
                    future = pool.submit(copy_context().run, run, stage)
                    running[future] = stage.address
                    future.add_done_callback(events.put)
                    tell()
                event = events.get() if running else None
                if isinstance(event, str):
                    made.add(event)
                    graph.done(event)
                elif event:
                    running.pop(event)
                    end(event.result())
        except BaseException:
            stop.ask()
            if running:
                say(f"stopping {', '.join(running.values())}")
            raise
    return done


def count_outcomes(done: Mapping[str, Done]) -> str:
    """`19 stages: 12 ran, 7 unchanged`."""
    counts = Counter(finished.outcome for finished in done.values())
    return f"{len(done)} stages: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
