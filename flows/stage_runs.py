"""The MLflow runs of one stage: which of them shows a result, and which are to go."""

from collections.abc import Sequence
from dataclasses import dataclass

GROWING_KEY = "growing"  # the key of a run that shows no result yet
CURRENT_TAG = "current"
WEIGHTS_TAG = "weights"
PARENT_TAG = "mlflow.parentRunId"
YES = "true"


@dataclass(frozen=True)
class StageRun:
    """A run that is in the store for some stage; `parent` is the run of the whole stage for one of its levels."""

    run_id: str
    key: str
    parent: str | None
    is_finished: bool
    is_current: bool
    weights_absent: bool
    model_ids: tuple[str, ...] = ()


def shown_by(runs: Sequence[StageRun], key: str, weights_are_here: bool) -> StageRun | None:
    """The finished run of the whole stage that shows the result `key`, with its weights if they are to be had.

    The run of the whole stage is finished last, after its children. Of several, which two clones may have written at
    once, it is the same one for everybody.
    """
    found = [run for run in runs if run.key == key and run.parent is None and run.is_finished]
    whole = [run for run in found if not (run.weights_absent and weights_are_here)]
    return min(whole, key=lambda run: run.run_id, default=None)


def superfluous(runs: Sequence[StageRun], key: str, shown: StageRun | None, *, is_local: bool) -> list[StageRun]:
    """The runs to delete now that `shown` shows the result `key`, or nothing does and it is to be written anew.

    These are what grew while the stage ran, all else of that result, and in a local store what a killed writer left of
    others: on a server somebody else may be writing it.
    """
    finished = {run.run_id for run in runs if run.parent is None and run.is_finished}

    def is_kept(run: StageRun) -> bool:
        whole = run.parent or run.run_id
        if run.key == key:
            return shown is not None and whole == shown.run_id
        return run.key != GROWING_KEY and (whole in finished or not is_local)

    return [run for run in runs if not is_kept(run)]


def is_settled(runs: Sequence[StageRun], key: str, shown: StageRun | None, *, is_local: bool) -> bool:
    """Whether `shown` shows the result `key` as the current one and there is nothing left to do."""
    is_right = all(run.is_current == (run.key == key) for run in runs)
    return shown is not None and is_right and not superfluous(runs, key, shown, is_local=is_local)
