"""Where a run's numbers come from: git commit, dvc.lock entry, Prefect run, command; as tags and as a description."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

MADE = (":!results", ":!dvc.lock", ":!matrix.yaml")  # a run changes these itself


def commit_tags(root: Path) -> dict[str, str]:
    """The commit checked out, and whether code or params differ from it; nothing without a commit. A result that was
    there before may come from an earlier commit: what made it is in its dvc.lock entry (`dvc_hash`)."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(root, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--", ".", *MADE)
    return {"git_commit": commit, "git_dirty": "true" if changes else "false", "mlflow.source.git.commit": commit}


def result_tags(address: str, key: str, command: str) -> dict[str, str]:
    """What dvc.lock says of a result."""
    return {"dvc_stage": address, "dvc_hash": key, "dvc_cmd": command, "mlflow.source.name": command}


def lineage_note(tags: Mapping[str, str]) -> str:
    """A Markdown list of what the tags say; a line without a value is left out."""
    changed = ", with changes not committed" if tags.get("git_dirty") == "true" else ""
    lines = {
        "git commit when logged": f"`{tags['git_commit']}`{changed}" if "git_commit" in tags else None,
        # A run that follows a stage at work has no entry in dvc.lock yet.
        "hash of its dvc.lock entry": f"`{tags['dvc_hash']}`" if "dvc_cmd" in tags else None,
        "Prefect flow run": _prefect_run(tags, "prefect_flow"),
        "Prefect task run": _prefect_run(tags, "prefect_task"),
        "command": f"`{tags['dvc_cmd']}`" if "dvc_cmd" in tags else None,
        "to repeat it": f"`dvc repro {tags['dvc_stage']}`" if "dvc_stage" in tags else None,
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items() if text)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _prefect_run(tags: Mapping[str, str], name: str) -> str | None:
    """A run's id, as a link where a server has a page for it (the scheduled flow sets these tags)."""
    run, url = tags.get(f"{name}_run"), tags.get(f"{name}_url")
    return run and (f"[{run}]({url})" if url else f"`{run}`")
