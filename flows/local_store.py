"""Looks into a local store without importing MLflow, which takes seconds: it reads the tables that MLflow keeps."""

import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from flows.lineage import KEY_TAG, STAGE_TAG
from flows.narrowed import mlflow_name
from flows.stage_runs import CURRENT_TAG, PARENT_TAG, WEIGHTS_TAG, YES, StageRun
from flows.store_place import local_database

TAGS = """
SELECT runs.run_uuid, runs.status, tags.key, tags.value
FROM runs JOIN experiments USING (experiment_id) JOIN tags USING (run_uuid)
WHERE experiments.name = ? AND experiments.lifecycle_stage = 'active' AND runs.lifecycle_stage = 'active'
AND runs.run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)
"""


def runs_of(root: Path, experiment: str, address: str) -> list[StageRun]:
    """Every run of a stage, without the models it logged; none when only MLflow can tell: a server, or no store yet."""
    database = local_database(root)
    if database is None or not database.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(TAGS, (mlflow_name(experiment, root), STAGE_TAG, address)).fetchall()
    except sqlite3.Error:
        return []
    statuses = {run_id: status for run_id, status, _, _ in rows}
    tags: dict[str, dict[str, str]] = defaultdict(dict)
    for run_id, _, name, value in rows:
        tags[run_id][name] = value
    return [
        StageRun(
            run_id=run_id,
            key=found[KEY_TAG],
            parent=found.get(PARENT_TAG),
            is_finished=statuses[run_id] == "FINISHED",
            is_current=found[CURRENT_TAG] == YES,
            weights_absent=WEIGHTS_TAG in found,
        )
        for run_id, found in tags.items()
    ]
