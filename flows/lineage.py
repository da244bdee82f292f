"""Says in a run's description where its numbers come from: stage, command, dvc.lock entry, git commit, Prefect run."""

from collections.abc import Mapping

from flows.commit import COMMIT_TAG, DIRTY_TAG

COMMAND_TAG = "dvc_cmd"
STAGE_TAG = "dvc_stage"
KEY_TAG = "dvc_hash"


def lineage_note(tags: Mapping[str, str]) -> str:
    """A Markdown table of what the tags say; a row without a value is left out."""
    commit = tags.get(COMMIT_TAG)
    changed = ", with changes not committed" if tags.get(DIRTY_TAG) == "true" else ""
    rows = {
        "DVC stage": _code(tags.get(STAGE_TAG)),
        "command": _code(tags.get(COMMAND_TAG)),
        "again": _code(f"dvc repro {tags[STAGE_TAG]}" if STAGE_TAG in tags else None),
        "hash of its dvc.lock entry": _code(tags.get(KEY_TAG)),
        "git commit when logged": commit and f"{_code(commit)}{changed}",
        "Prefect flow run": _run(tags, "prefect_flow"),
        "Prefect task run": _run(tags, "prefect_task"),
    }
    return "\n".join(["| lineage | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items() if text)])


def _code(text: str | None) -> str | None:
    return f"`{text}`" if text else None


def _run(tags: Mapping[str, str], name: str) -> str | None:
    """A Prefect run's id, as a link where a server showed it (`flows.prefect_flow` sets these tags)."""
    run, url = tags.get(f"{name}_run"), tags.get(f"{name}_url")
    return f"[{run}]({url})" if run and url else _code(run)
