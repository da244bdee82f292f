"""`snnprune diff REV1 [REV2] [EXPERIMENT]`: the results that were committed, before and after."""

from pathlib import Path

from pipeline.diff.changes import compare
from pipeline.diff.markdown import render
from pipeline.diff.revision import Revision, is_revision
from snnprune.core.errors import UserError


def diff(root: Path, before: str, after: str | None = None, experiment: str | None = None) -> str:
    """What differs in the results of the project at `root`, as Markdown; in one line if nothing does.

    Args:
        before: a git revision.
        after: another; None: the working tree. Alone, what is no revision but an experiment's name is that.
        experiment: only this one (default: all).

    Raises:
        UserError: git knows no such revision, neither side has such an experiment, or a result file is damaged.
    """
    if after is not None and experiment is None and not is_revision(root, after):
        there = {*Revision(root, before).experiments, *Revision(root).experiments}
        if after not in there:
            names = ", ".join(sorted(there)) or "there are none"
            raise UserError(f"{after!r} is neither a git revision nor an experiment with results ({names})")
        after, experiment = None, after
    sides = Revision(root, before), Revision(root, after)
    names = sorted({name for side in sides for name in side.experiments})
    if experiment not in (None, *names):
        raise UserError(f"no results of {experiment!r} on either side; there are: {', '.join(names) or 'none'}")
    changes = []
    for name in names:
        if experiment in (None, name):
            results = (side.read(name) if name in side.experiments else None for side in sides)
            changes.append(compare(name, *results))
    return render(*map(str, sides), changes)
