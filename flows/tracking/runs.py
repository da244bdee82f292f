"""What is to do about the MLflow runs of one stage: which shows a result, which are stale, which are current."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlflow.entities import Run

GROWING = "growing"  # the key of a run that follows a stage at work and has no result yet


class Tag:
    """The tags by which runs are found."""

    STAGE = "dvc_stage"
    KEY = "dvc_hash"
    CURRENT = "current"
    PARENT = "mlflow.parentRunId"
    CHILDREN = "children"  # how many a stage's run is given
    WEIGHTS = "weights"  # "absent"
    EXPORTS = "exports"  # of a net's run: the key of the export stage's result whose files of this net it holds


@dataclass(frozen=True)
class Verdict:
    """The run that shows a result, if one does; runs to delete; what tag `current` of others must become, by id."""

    there: Run | None
    stale: Sequence[Run]
    relabel: Mapping[str, str]


def judge(runs: Sequence[Run], key: str, *, with_weights: bool, is_local: bool) -> Verdict:
    """What is to do about a stage's runs, children included, so that the result `key` has one run and is current. A
    result is shown by a stage's run that is finished (after its children), has all its children, and its models if they
    are asked for; two clones may have written several at once, and all choose the same one. Stale are runs that
    followed the stage, every other run of that result, and in a local store what a killed writer left of other results:
    on a server somebody may still be writing them."""
    parents = [run.data.tags.get(Tag.PARENT) for run in runs]
    finished = {
        run.info.run_id: run for run in runs if Tag.PARENT not in run.data.tags and run.info.status == "FINISHED"
    }
    chosen = min(
        (
            run_id
            for run_id, run in finished.items()
            if run.data.tags[Tag.KEY] == key
            and parents.count(run_id) == int(run.data.tags.get(Tag.CHILDREN, 0))
            and not (with_weights and Tag.WEIGHTS in run.data.tags)
        ),
        default=None,
    )

    def is_stale(run: Run) -> bool:
        found, stage = run.data.tags[Tag.KEY], run.data.tags.get(Tag.PARENT, run.info.run_id)
        left_by_killed = is_local and stage not in finished
        return stage != chosen if found == key else found == GROWING or left_by_killed

    right = {run.info.run_id: str(run.data.tags[Tag.KEY] == key).lower() for run in runs if not is_stale(run)}
    labels = {run.info.run_id: run.data.tags.get(Tag.CURRENT) for run in runs}
    relabel = {run_id: label for run_id, label in right.items() if labels[run_id] != label}
    return Verdict(finished.get(chosen), [run for run in runs if is_stale(run)], relabel)
