"""The lineage in a run's description, to the letter."""

from flows.tracking.lineage import lineage_note

TAGS = {
    "git_commit": "c503aa9",
    "git_dirty": "false",
    "dvc_stage": "prune@tiny-cqp-0",
    "dvc_hash": "c424a71c",
    "dvc_cmd": "python stage.py prune",
}


def test_a_replayed_result_has_no_prefect_run() -> None:
    assert lineage_note(TAGS) == (
        "- git commit when logged: `c503aa9`\n"
        "- hash of its dvc.lock entry: `c424a71c`\n"
        "- command: `python stage.py prune`\n"
        "- to repeat it: `dvc repro prune@tiny-cqp-0`"
    )


def test_prefect_runs_are_links_where_a_server_showed_them() -> None:
    prefect = {"prefect_flow_run": "f1", "prefect_flow_url": "http://server/flow-run/f1", "prefect_task_run": "t1"}
    lines = lineage_note(TAGS | prefect).splitlines()
    assert "- Prefect flow run: [f1](http://server/flow-run/f1)" in lines
    assert "- Prefect task run: `t1`" in lines


def test_changes_not_committed_are_named() -> None:
    assert lineage_note({"git_commit": "c5", "git_dirty": "true"}).endswith("`c5`, with changes not committed")


def test_a_growing_curve_has_no_entry_yet() -> None:
    tags = {"git_commit": "c5", "dvc_stage": "train@tiny-0", "dvc_hash": "growing"}
    assert lineage_note(tags) == "- git commit when logged: `c5`\n- to repeat it: `dvc repro train@tiny-0`"
