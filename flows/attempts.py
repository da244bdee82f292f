"""Brings one stage up to date so that its result can be believed, trying again where that may help."""

from threading import Lock

from flows import lock_copy
from flows.graph import Pipeline, Stage
from flows.process import Outcome, Say, StageFailed, reproduce
from flows.stop import Stop


def bring_about(pipeline: Pipeline, index: Lock, stage: Stage, say: Say, stop: Stop) -> Outcome:
    """Run the stage by DVC; again, up to its hint `retries`, after something transient, and once after an edit.

    DVC notes the hashes of the dependencies when the stage has ended. If something was edited in between, it would take
    a result of the old for one of the new (treeverse/dvc #11058), so such a result is forgotten and made again. `index`
    is held whenever the pipeline is asked.

    Raises:
        StageFailed: it failed, or its dependencies were edited during both runs; DVC takes it for out of date then.
        Stopped: a request to stop ended it.
        PipelineError: DVC cannot read the project.
    """
    tries_left, is_second_run = stage.hints.retries, False
    while True:
        with index:
            before = pipeline.dependencies(stage.address)
        try:
            outcome = reproduce(stage.address, pipeline.root, say, stop, stage.hints.timeout)
        except StageFailed as error:
            if not error.is_transient:
                raise
            with index, pipeline.exclusive():
                if lock_copy.mend(pipeline.root):
                    say("dvc.lock was left half written; what it held before is back")
            if tries_left == 0:
                raise
            tries_left -= 1
            say(f"{stage.address}: {error.reason}, which may be for once; trying again")
            continue
        if outcome != "ran":
            return outcome
        with index:
            edited = _differences(before, pipeline.dependencies(stage.address))
            if not edited:
                return outcome
            with pipeline.exclusive():
                pipeline.forget(stage.address)
                lock_copy.keep(pipeline.root)
        if is_second_run:
            raise StageFailed(stage.address, f"edited while it ran, twice: {', '.join(edited)}", [])
        is_second_run = True
        say(f"{stage.address}: edited while it ran: {', '.join(edited)}; running it again")


def _differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
