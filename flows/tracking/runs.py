"""The MLflow runs of one stage: which of them shows a result, and which are stale."""

from collections.abc import Sequence
from dataclasses import dataclass

GROWING = "growing"  # the key of a run that follows a stage at work and has no result yet


@dataclass(frozen=True)
class StageRun:
    """A run in the store; `parent` is the stage's run for one of its children, `children` how many it was given."""

    run_id: str
    key: str
    parent: str | None
    is_finished: bool
    is_current: bool
    weights_absent: bool
    children: int = 0
    model_ids: tuple[str, ...] = ()


def find(runs: Sequence[StageRun], key: str, *, with_weights: bool) -> StageRun | None:
    """The finished stage run of the result `key` that has all its children, and its models if they are asked for.

    A stage's run is finished after its children. Two clones may have written several at once: all choose the same one.
    """
    children = [run.parent for run in runs if run.parent]
    found = [
        run
        for run in runs
        if run.key == key and run.parent is None and run.is_finished and children.count(run.run_id) == run.children
    ]
    whole = [run for run in found if not (run.weights_absent and with_weights)]
    return min(whole, key=lambda run: run.run_id, default=None)


def stale(runs: Sequence[StageRun], key: str, kept: StageRun | None, *, is_local: bool) -> list[StageRun]:
    """The runs to delete once `kept` shows the result `key`, or before it is logged again when nothing shows it.

    These are runs that followed the stage, every other run of that result, and in a local store what a killed writer
    left of other results; on a server somebody may still be writing them.
    """
    finished = {run.run_id for run in runs if run.parent is None and run.is_finished}

    def is_kept(run: StageRun) -> bool:
        stage = run.parent or run.run_id
        if run.key == key:
            return kept is not None and stage == kept.run_id
        return run.key != GROWING and (stage in finished or not is_local)

    return [run for run in runs if not is_kept(run)]


def settled(runs: Sequence[StageRun]) -> StageRun | None:
    """The run that shows the stage's current result in a local store, if nothing is left to do about any of them."""
    keys = {run.key for run in runs if run.is_current}
    if len(keys) != 1:
        return None
    (key,) = keys
    run = find(runs, key, with_weights=False)
    is_clean = all(run.is_current == (run.key == key) for run in runs) and not stale(runs, key, run, is_local=True)
    return run if is_clean else None
