"""Brings one stage up to date so that its result can be believed, trying again where that may help.

DVC notes the hashes of the dependencies when a stage has ended. If something was edited in between, it takes a result
of the old for one of the new (treeverse/dvc #11058). Such a result is forgotten here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from flows import lock_copy, unproven
from flows.graph import Pipeline, Stage
from flows.lockfile import Entry, read_entry
from flows.process import Outcome, Say, StageFailed, reproduce
from flows.rwlock import clear_rwlock
from flows.stop import Stop

# Brings one stage of the project in a folder up to date, unless it is asked to stop. Raises StageFailed, Stopped.
Run = Callable[[Stage, Path, Say, Stop], tuple[Outcome, Mapping[str, str]]]


@dataclass(frozen=True)
class Brought:
    """How a stage ended, what dvc.lock has of it then, and tags that say where it was run."""

    outcome: Outcome
    entry: Entry | None
    tags: Mapping[str, str]


def run_here(stage: Stage, root: Path, say: Say, stop: Stop) -> tuple[Outcome, Mapping[str, str]]:
    """Run the stage in this folder. Raises what `reproduce` raises."""
    return reproduce(stage.address, root, say, stop, stage.hints.timeout), {}


def bring_about(pipeline: Pipeline, index: Lock, stage: Stage, say: Say, stop: Stop, run: Run = run_here) -> Brought:
    """Run the stage by `run`; again, up to its hint `retries`, after something transient, and once after an edit.

    `index` is held whenever the pipeline is asked.

    Raises:
        StageFailed: it failed, or its dependencies were edited during both runs; DVC takes it for out of date then.
        Stopped: a request to stop ended it.
        PipelineError: DVC cannot read the project.
    """
    tries_left, is_second_run = stage.hints.retries, False
    while True:
        with index, pipeline.exclusive():
            before = pipeline.dependencies(stage.address)
            unproven.note(pipeline.root, stage.address)
        try:
            outcome, tags = run(stage, pipeline.root, say, stop)
        except StageFailed as error:
            if not error.is_transient or tries_left == 0:
                raise
            tries_left -= 1
            say(f"{stage.address}: {error.reason}, which may be for once; trying again")
            continue
        finally:
            with index:
                edited, entry = _prove(pipeline, stage.address, before, say)
        if not edited:
            return Brought(outcome, entry, tags)
        if is_second_run:
            raise StageFailed(stage.address, f"edited while it ran, twice: {', '.join(edited)}", [])
        is_second_run = True
        say(f"{stage.address}: edited while it ran: {', '.join(edited)}; running it again")


def forget_unproven(pipeline: Pipeline, say: Say) -> None:
    """Forget what was recorded while the last flow was killed, before it could look at it. Raises PipelineError."""
    for address in unproven.left(pipeline.root):
        with pipeline.exclusive():
            if unproven.is_recorded(pipeline.root, address) and address in pipeline.addresses():
                say(f"{address}: the last flow was killed before it could check the result; it is made again")
                pipeline.forget(address)
                lock_copy.keep(pipeline.root)
            unproven.settle(pipeline.root, address)


def _prove(pipeline: Pipeline, address: str, before: Mapping[str, str], say: Say) -> tuple[list[str], Entry | None]:
    """Look at what has become of the stage, however it ended; what was edited while its result was made, and its entry.

    All of it under one lock: whoever waits for that looks only twice a second.
    """
    with pipeline.exclusive():
        clear_rwlock(pipeline.root)
        if lock_copy.mend(pipeline.root):
            say("dvc.lock was left half written; what it held before is back")
        after = pipeline.dependencies(address)
        edited = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        is_recorded = unproven.is_recorded(pipeline.root, address)
        if edited and is_recorded:
            pipeline.forget(address)
        lock_copy.keep(pipeline.root)
        unproven.settle(pipeline.root, address)
        return edited if is_recorded else [], read_entry(pipeline.root, address)
