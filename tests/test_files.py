"""Result files: whole or not at all, byte-identical for equal content, and never NaN in JSON."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.io.files import read_json, sha256, write_json, write_text
from pipeline.io.tables import Curve, write_table
from snnprune.core.errors import NotFiniteError
from snnprune.core.files import replace


def test_replace_writes_beside_and_moves(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "result.bin"
    seen = []

    def write(partial: Path) -> None:
        partial.write_bytes(b"new")
        seen.append((partial.parent, partial.name != path.name, path.exists()))

    replace(path, write)
    assert seen == [(path.parent, True, False)]
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def failing(partial: Path) -> None:
    partial.write_bytes(b"half")
    raise OSError("disk full")


@pytest.mark.parametrize("old", [b"old", None])
def test_a_failing_writer_leaves_what_was_there(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "result.bin"
    if old:
        path.write_bytes(old)
    with pytest.raises(OSError, match="disk full"):
        replace(path, failing)
    assert path.read_bytes() == old if old else not path.exists()
    replace(path, lambda partial: partial.write_bytes(b"new"))
    assert path.read_bytes() == b"new"


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "α\nb\n")
    assert (tmp_path / "text").read_bytes() == "α\nb\n".encode()


def test_json_keeps_the_order_and_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"b": 0.1, "a": [1, None]})
    assert path.read_text() == '{\n  "b": 0.1,\n  "a": [\n    1,\n    null\n  ]\n}\n'
    write_json(path, 1 / 3)
    assert read_json(path) == 1 / 3


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_is_none(tmp_path: Path, value: float) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"accuracy": 0.5})
    with pytest.raises(NotFiniteError, match="metrics.json: not written: .*not JSON compliant"):
        write_json(path, {"accuracy": value})
    assert read_json(path) == {"accuracy": 0.5}


def test_csv_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_table(path, [{"level": 0.9, "name": "a,b"}, {"level": 1 / 3, "name": "c"}])
    assert path.read_bytes() == b'level,name\n0.9,"a,b"\n0.3333333333333333,c\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan")])
def test_a_row_or_table_that_is_not_finite_is_not_written(tmp_path: Path, value: float) -> None:
    path = tmp_path / "table.csv"
    rows = [{"level": 0.5, "loss": 1.0}, {"level": 0.9, "loss": value}]
    with pytest.raises(NotFiniteError, match="table.csv: a row is not written, as loss is NaN or infinite: {"):
        write_table(path, rows)
    with pytest.raises(NotFiniteError, match="loss is NaN or infinite"):
        Curve(path).append(rows[1])
    with pytest.raises(NotFiniteError, match="not written, as it holds an infinite number"):
        write_table(path, pd.DataFrame(rows).replace(np.nan, np.inf))
    assert not path.exists()
    write_table(path, [rows[0], {"level": None, "loss": None}])  # what is missing is an empty cell
    assert path.read_bytes() == b"level,loss\n0.5,1.0\n,\n"


def test_a_curve_starts_anew_and_grows_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "curve.csv"
    path.parent.mkdir()
    path.write_text("left over")
    curve = Curve(path)
    curve.append({"epoch": 1, "loss": 0.5})
    assert path.read_bytes() == b"epoch,loss\n1,0.5\n"
    curve.append({"epoch": 2, "loss": 0.25})
    assert path.read_bytes() == b"epoch,loss\n1,0.5\n2,0.25\n"


def test_sha256_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
