"""The lineage in a run's description, to the letter."""

import pytest

from flows.tracking.lineage import lineage_note

COMMIT = {"git_commit": "c5", "git_dirty": "false"}
RESULT = {"dvc_stage": "train@tiny-0", "dvc_hash": "c424", "dvc_cmd": "python stage.py"}
PREFECT = {"prefect_flow_run": "f1", "prefect_flow_url": "http://server/flow-run/f1", "prefect_task_run": "t1"}
OF_COMMIT, OF_HASH = "- git commit when logged: `c5`", "- hash of its dvc.lock entry: `c424`"
OF_PREFECT = ["- Prefect flow run: [f1](http://server/flow-run/f1)", "- Prefect task run: `t1`"]
OF_COMMAND, REPEAT = "- command: `python stage.py`", "- to repeat it: `dvc repro train@tiny-0`"


@pytest.mark.parametrize(
    ("tags", "lines"),
    [
        (COMMIT | RESULT, [OF_COMMIT, OF_HASH, OF_COMMAND, REPEAT]),
        (COMMIT | RESULT | PREFECT, [OF_COMMIT, OF_HASH, *OF_PREFECT, OF_COMMAND, REPEAT]),
        (COMMIT | {"git_dirty": "true"}, [f"{OF_COMMIT}, with changes not committed"]),
        ({"dvc_stage": "train@tiny-0", "dvc_hash": "growing"}, [REPEAT]),
    ],
    ids=["replayed", "by Prefect", "uncommitted changes", "a growing curve"],
)
def test_a_note_has_a_line_for_whatever_is_known(tags: dict[str, str], lines: list[str]) -> None:
    assert lineage_note(tags).splitlines() == lines
