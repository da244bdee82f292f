"""Tables of results that somebody edited or damaged: the line is named, and what to do."""

import re
from pathlib import Path

import pytest

from pipeline.results.content import Damaged, are_weights_here, read_rows
from pipeline.results.place import Place

KINDS = {"method": str, "seed": int, "level": float}
PLACE = Place("made", "evaluate", {"stage": "evaluate"})
HEAD = b"method,seed,level,note\n"
WAYS = "restore the file with git, or make it again: snnprune run made"


def test_rows_are_text_and_other_cells_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(HEAD + b"dense,0,0.0,\n\ncqp,1,5e-1,any\n")
    assert read_rows(path, "made", KINDS, {"macs": float}) == [
        {"method": "dense", "seed": "0", "level": "0.0", "note": ""},
        {"method": "cqp", "seed": "1", "level": "5e-1", "note": "any"},
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (HEAD + b"dense,0,0.0,\nedited\n", ", line 3: expected 4 cells; found 1"),
        (HEAD + b"dense,0,0.0,\n\n\nedited\n", ", line 5: expected 4 cells; found 1"),
        (HEAD + b"dense,0,0.0,,1,2\n", ", line 2: expected 4 cells; found 6"),
        (HEAD + b"dense,,0.0,\n", ", line 2: seed: expected a whole number; found ''"),
        (HEAD + b"dense,0.5,0.0,\n", ", line 2: seed: expected a whole number; found '0.5'"),
        (HEAD + b"dense,0,half,\n", ", line 2: level: expected a number; found 'half'"),
        (HEAD + b"dense,0,nan,\n", ", line 2: level: expected a number; found 'nan'"),
        (HEAD + b"dense,%s,0,\n" % (b"9" * 400), f", line 2: seed: expected a whole number; found '{59 * '9'}"),
        (b"method,note\ndense,\n", ", line 1: no column seed, level"),
        (b"", ", line 1: no column method, seed, level"),
        (HEAD + b"dense,0,0.0,\xff\n", ": 'utf-8' codec can't decode byte 0xff in position 35: invalid start byte"),
    ],
)
def test_a_damaged_row_is_named_with_what_to_do(tmp_path: Path, content: bytes, problem: str) -> None:
    table = tmp_path / "results/made/evaluate/levels.csv"
    table.parent.mkdir(parents=True)
    table.write_bytes(content)
    message = f"^{re.escape(f'{table}{problem}; {WAYS}')}$"
    with pytest.raises(Damaged, match=message):
        read_rows(table, "made", KINDS)
    with pytest.raises(Damaged, match=message):
        are_weights_here(tmp_path, PLACE)
