"""Where a run's numbers come from: git commit, dvc.lock entry, Prefect run, command; as tags and as a description."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

COMMIT_TAG = "git_commit"
DIRTY_TAG = "git_dirty"
COMMAND_TAG = "dvc_cmd"
STAGE_TAG = "dvc_stage"
KEY_TAG = "dvc_hash"

MADE = (":!results", ":!dvc.lock", ":!matrix.yaml")  # a run changes these itself


def commit_tags(root: Path) -> dict[str, str]:
    """The commit checked out, and whether code or params differ from it; nothing without a commit.

    A result that was there before may come from an earlier commit: what made it is in its dvc.lock entry (`dvc_hash`).
    """
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(root, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--", ".", *MADE)
    return {COMMIT_TAG: commit, DIRTY_TAG: "true" if changes else "false", "mlflow.source.git.commit": commit}


def lineage_note(tags: Mapping[str, str]) -> str:
    """A Markdown list of what the tags say; a line without a value is left out."""
    commit = tags.get(COMMIT_TAG)
    changed = ", with changes not committed" if tags.get(DIRTY_TAG) == "true" else ""
    has_result = COMMAND_TAG in tags  # a run that follows a stage at work has no entry in dvc.lock yet
    lines = {
        "git commit when logged": commit and f"{_code(commit)}{changed}",
        "hash of its dvc.lock entry": _code(tags.get(KEY_TAG)) if has_result else None,
        "Prefect flow run": _run(tags, "prefect_flow"),
        "Prefect task run": _run(tags, "prefect_task"),
        "command": _code(tags.get(COMMAND_TAG)),
        "to repeat it": _code(f"dvc repro {tags[STAGE_TAG]}" if STAGE_TAG in tags else None),
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items() if text)


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _code(text: str | None) -> str | None:
    return f"`{text}`" if text else None


def _run(tags: Mapping[str, str], name: str) -> str | None:
    """A Prefect run's id, as a link where a server has a page for it (the scheduled flow sets these tags)."""
    run, url = tags.get(f"{name}_run"), tags.get(f"{name}_url")
    return f"[{run}]({url})" if run and url else _code(run)
