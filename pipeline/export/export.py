"""The command `snnprune export`: a net for several targets, fine-tuned with rounded weights where that is asked for."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pipeline.export.find import find
from pipeline.export.folder import require_free
from pipeline.export.write import made, write
from snnprune.export.card import JSON, MARKDOWN, UNKNOWN, Card
from snnprune.export.registry import load_target

FOLDER = Path("export")


def export(
    net: str, targets: Sequence[str], out: Path | None = None, license: str = UNKNOWN, *, tuned: bool = False
) -> Iterator[str]:
    """Write a net for every target into `out` (None: export/<net>), a folder for each; a line about each. tuned: its
    integer networks are fine-tuned first, as the study `quantise` does (pipeline/export/tuned.py), and lie in
    `<target>-tuned`. Raises UserError, before anything is written: no such net or target, a target cannot express the
    net, or a folder holds something else (`pipeline.export.folder.require_free`)."""
    targets = list(dict.fromkeys(targets))
    for target in targets:
        load_target(target)
    found, make = find(net), made
    folders = {
        target: (FOLDER / found.name if out is None else out) / (f"{target}-tuned" if tuned else target)
        for target in targets
    }
    for folder in folders.values():
        require_free(folder, found.file)
    if tuned:
        from pipeline.export.tuned import export_tuned, require_tunable  # what trains is not needed else

        make = partial(export_tuned, params=require_tunable(found, targets))
    options = [*(["--tuned"] if tuned else []), *([] if out is None else ["--out", os.path.relpath(out)])]
    exported = {target: make(found, target) for target in targets}
    for target, folder in folders.items():
        card = write(found, target, exported[target], folder, license, options)
        yield f"{target}: {folder}: {summary(card)}"
        yield from (f"  {note}" for note in card.about.get("notes", ()))


def summary(card: Card) -> str:
    """What was written, in a line."""
    files = ", ".join([*card.sizes, MARKDOWN, JSON])
    figures = [f"{value:,} {key.replace('_', ' ')}" for key, value in card.about.items() if key.endswith("_bytes")] or [
        f"{sum(card.sizes.values()):,} bytes"
    ]
    differing = "" if card.differences is None else f"; {card.differences}"
    return f"{files}; {', '.join(figures)}{differing}"
