"""What must stay: all that a dvc.lock (or a .dvc file) names, in the working tree, in any worktree, or in the commit of
any branch, tag or other ref."""

import re
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from flows.engine.lockfile import LOCK_FILE, key_of
from flows.scheduled.worktree import commit_of, git
from snnprune.core.errors import UserError

HASH = re.compile(r"\bmd5: ['\"]?([0-9a-f]{32}(?:\.dir)?)\b")  # of dependencies, too: too much stays, never too little
WORKTREE = "worktree "


def kept_texts(root: Path) -> list[str]:
    """The texts of these files, each different one once. Raises UserError: git fails."""
    refs = git(root, "for-each-ref", "--format=%(objectname)").split()
    trees = [
        line.removeprefix(WORKTREE)
        for line in git(root, "worktree", "list", "--porcelain").splitlines()
        if line.startswith(WORKTREE)
    ]
    heads = [commit_of(Path(tree)) for tree in trees if Path(tree).is_dir()]
    blobs: set[str] = set()
    for commit in {*refs, *heads}:
        for line in git(root, "ls-tree", "-r", "--full-tree", commit).splitlines():
            about, name = line.split("\t", 1)
            if _is_dvc_file(name):
                blobs.add(about.split()[2])
    texts = {git(root, "cat-file", "blob", blob) for blob in blobs}
    return sorted(texts | {path.read_text(encoding="utf-8") for tree in trees for path in _files(Path(tree))})


def kept_hashes(texts: list[str]) -> set[str]:
    """The MD5 of everything that these texts name; that of a folder's list of files ends with `.dir`."""
    return {value for text in texts for value in HASH.findall(text)}


def kept_keys(texts: list[str]) -> set[str]:
    """The identity of every stage's result in those that are a dvc.lock. Raises UserError: one is not readable."""
    keys: set[str] = set()
    for text in texts:
        try:
            stages = (YAML(typ="safe").load(text) or {}).get("stages") or {}
        except (YAMLError, AttributeError) as error:
            raise UserError(
                f"a {LOCK_FILE} of this repository is not readable, so nothing is removed: {error}"
            ) from error
        keys.update(key_of(entry) for entry in stages.values() if isinstance(entry, dict))
    return keys


def _is_dvc_file(name: str) -> bool:
    return Path(name).name == LOCK_FILE.name or Path(name).suffix == ".dvc"


def _files(tree: Path) -> Iterator[Path]:
    """Those of a working tree that git knows or would know."""
    names = (
        git(tree, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0") if tree.is_dir() else []
    )
    yield from (tree / name for name in names if _is_dvc_file(name) and (tree / name).is_file())
