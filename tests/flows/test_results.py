"""A study's rows by method, seed and level, each as a part of its own."""

import hashlib
from pathlib import Path

from flows.results import place_of, read_result

LEVELS = """\
seed,method,level,accuracy,energy_pj_loihi
0,dense,0.0,0.9,40
1,cqp,0.9,0.8,8
"""


def test_rows_that_name_method_and_seed_are_parts_of_their_own(tmp_path: Path) -> None:
    path = "results/tiny/studies/energy/levels.csv"
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(LEVELS)
    entry = {"cmd": "energy", "outs": [{"path": path, "md5": hashlib.md5(LEVELS.encode()).hexdigest()}]}
    place = place_of(entry)
    result = read_result(tmp_path, place, entry)
    assert (result.whole.name, result.whole.points) == ("energy", [])  # no one curve over levels for several methods
    assert [part.name for part in result.levels] == ["dense@0.00/seed0", "cqp@0.90/seed1"]
    part = result.levels[1]
    assert part.labels == {"stage": "energy", "method": "cqp", "seed": "1", "level": "0.90"}
    assert part.params == {"method": "cqp", "seed": "1", "level": "0.90"}
    assert {point.name: point.value for point in part.points} == {"accuracy": 0.8, "energy_pj_loihi": 8.0}
