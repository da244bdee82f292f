"""Says in a run's description where its numbers come from: git commit, dvc.lock entry, Prefect run, stage command."""

from collections.abc import Mapping

from flows.commit import COMMIT_TAG, DIRTY_TAG

COMMAND_TAG = "dvc_cmd"
STAGE_TAG = "dvc_stage"
KEY_TAG = "dvc_hash"


def lineage_note(tags: Mapping[str, str]) -> str:
    """A Markdown list of what the tags say; a line without a value is left out."""
    commit = tags.get(COMMIT_TAG)
    changed = ", with changes not committed" if tags.get(DIRTY_TAG) == "true" else ""
    has_result = COMMAND_TAG in tags  # a run that shows how a curve grows has no entry in dvc.lock yet
    lines = {
        "git commit when logged": commit and f"{_code(commit)}{changed}",
        "hash of its dvc.lock entry": _code(tags.get(KEY_TAG)) if has_result else None,
        "Prefect flow run": _run(tags, "prefect_flow"),
        "Prefect task run": _run(tags, "prefect_task"),
        "command": _code(tags.get(COMMAND_TAG)),
        "to repeat it": _code(f"dvc repro {tags[STAGE_TAG]}" if STAGE_TAG in tags else None),
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items() if text)


def _code(text: str | None) -> str | None:
    return f"`{text}`" if text else None


def _run(tags: Mapping[str, str], name: str) -> str | None:
    """A Prefect run's id, as a link where a server showed it (`flows.prefect_flow` sets these tags)."""
    run, url = tags.get(f"{name}_run"), tags.get(f"{name}_url")
    return f"[{run}]({url})" if run and url else _code(run)
