"""What is to do about the MLflow runs of one stage: which shows a result, which are stale, which are current."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import Run

KEY_TAG = "dvc_hash"
CURRENT_TAG = "current"
CHILDREN_TAG = "children"  # how many a stage's run is given
WEIGHTS_TAG = "weights"  # "absent"
PARENT_TAG = "mlflow.parentRunId"
GROWING = "growing"  # the key of a run that follows a stage at work and has no result yet
IS_CURRENT = {True: "true", False: "false"}


@dataclass(frozen=True)
class Verdict:
    """The run that shows a result, if one does; runs to delete; of the others, those whose tag `current` is wrong."""

    there: "Run | None"
    stale: Sequence["Run"]
    mislabelled: Sequence["Run"]


def judge(runs: Sequence["Run"], key: str, *, with_weights: bool, is_local: bool) -> Verdict:
    """What is to do about a stage's runs, children included, so that the result `key` has one run and is current.

    A result is shown by a stage's run that is finished (after its children), has all its children, and its models if
    they are asked for; two clones may have written several at once, and all choose the same one. Stale are runs that
    followed the stage, every other run of that result, and in a local store what a killed writer left of other results:
    on a server somebody may still be writing them.
    """
    parents = [tags_of(run).get(PARENT_TAG) for run in runs]
    finished = {
        run.info.run_id: run for run in runs if PARENT_TAG not in tags_of(run) and run.info.status == "FINISHED"
    }
    whole = [
        run_id
        for run_id, run in finished.items()
        if tags_of(run)[KEY_TAG] == key
        and parents.count(run_id) == int(tags_of(run).get(CHILDREN_TAG, 0))
        and not (with_weights and WEIGHTS_TAG in tags_of(run))
    ]
    chosen = min(whole, default=None)

    def is_kept(run: "Run") -> bool:
        stage = tags_of(run).get(PARENT_TAG, run.info.run_id)
        if tags_of(run)[KEY_TAG] == key:
            return stage == chosen
        return tags_of(run)[KEY_TAG] != GROWING and (stage in finished or not is_local)

    return Verdict(
        there=finished.get(chosen),
        stale=[run for run in runs if not is_kept(run)],
        mislabelled=[run for run in runs if is_kept(run) and tags_of(run).get(CURRENT_TAG) != current(run, key)],
    )


def current(run: "Run", key: str) -> str:
    """What the tag `current` should be while `key` is the stage's result."""
    return IS_CURRENT[tags_of(run)[KEY_TAG] == key]


def tags_of(run: "Run") -> Mapping[str, str]:
    """Its tags."""
    return run.data.tags
