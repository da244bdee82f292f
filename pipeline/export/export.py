"""The command `snnprune export`: a net for several targets, fine-tuned with rounded weights where that is asked for."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pipeline.export.find import find
from pipeline.export.write import write
from snnprune.export.card import JSON, MARKDOWN, UNKNOWN, Card
from snnprune.export.registry import load_target

FOLDER = Path("export")


def export(
    net: str, targets: Sequence[str], out: Path | None = None, license: str = UNKNOWN, *, tuned: bool = False
) -> Iterator[str]:
    """Write a net for every target into `out` (None: export/<net>), a folder for each; a line about each. tuned: its
    integer networks are fine-tuned first, as the study `quantise` does (pipeline/export/tuned.py), and lie in
    `<target>-tuned`. Raises UserError: no such net or target, or the target cannot express the net."""
    for target in targets:
        load_target(target)
    found, make = find(net), None
    if tuned:
        from pipeline.export.tuned import export_tuned, require_tunable  # what trains is not needed else

        make = partial(export_tuned, params=require_tunable(found, targets))
    for target in targets:
        folder = (FOLDER / found.name if out is None else out) / (f"{target}-tuned" if tuned else target)
        card = write(found, target, folder, license, make)
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
