"""A method of the user's own, in the folder `methods` where Python runs."""

import re
from pathlib import Path

import pytest
import torch

import snnprune
from pipeline.io.resume import fingerprint
from pipeline.listing import listing
from snnprune.core.errors import UserError
from snnprune.pruning.mask import prunable_weights
from snnprune.pruning.registry import available, load_method

CODE = '''"""Keep the synapses with the smallest |w|, a control."""

from snnprune.core.schema import Block


class Params(Block):
    """No parameters."""


def prune(problem, params):
    return problem.keep_top({name: -weight.abs() for name, weight in problem.weights.items()})
'''
DATA = torch.rand(2, 1, 2, 2), torch.tensor([0, 1])
UNSEEN = (
    "in which an experiment would see no change; put the method into one file; of snnprune it may import snnprune.core"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("methods").mkdir()
    return Path("methods")


def test_it_is_listed_and_prunes(folder: Path) -> None:
    before = available()
    (folder / "smallest.py").write_text(CODE)
    (folder / "_notes.py").write_text("")
    assert available() == sorted([*before, "smallest"])
    net = snnprune.build([4, 2])
    ((name, weight),) = prunable_weights(net).items()
    weight.data = torch.tensor([[1.0, -8, 3, 4], [-5, 6, -2, 7]])
    pruned = snnprune.prune(net, DATA, method="smallest", level=0.5)
    assert pruned.mask[name].tolist() == [[True, False, True, True], [False, False, True, False]]


def test_an_edited_one_is_what_runs_and_has_resume_points_of_its_own(folder: Path) -> None:
    """An edit of the same length within a second, too, which Python's cache of compiled files does not notice."""
    (folder / "smallest.py").write_text(CODE + "EXACT = 1\n")
    assert load_method("smallest").exact
    before = fingerprint({}, [])
    assert load_method("smallest").exact and fingerprint({}, []) == before
    (folder / "smallest.py").write_text(CODE + "EXACT = 0\n")
    assert not load_method("smallest").exact
    assert fingerprint({}, []) != before


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("def prune(:", "invalid syntax (mine.py, line 1)"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(0)", "SystemExit: 0"),
        (CODE.replace("prune(", "keep("), "needs a class Params, a snnprune.core.schema.Block, and a function prune("),
        (CODE.replace("(Block)", ""), "needs a class Params, a snnprune.core.schema.Block, and a function prune("),
        ("import beside", f"imports beside, {UNSEEN}"),
        ("from methods._part import SIGN", f"imports methods, {UNSEEN}"),
        ("from ._part import SIGN", f"imports ._part, {UNSEEN}"),
        ("from . import cqp", f"imports .cqp, {UNSEEN}"),
        ("from snnprune.methods import cqp", f"imports snnprune.methods.cqp, {UNSEEN}"),
        ("from snnprune import energy", f"imports snnprune.energy, {UNSEEN}"),
        ("import snnprune", f"imports snnprune, {UNSEEN}"),
    ],
)
def test_what_is_wrong_with_one_is_said(folder: Path, code: str, message: str) -> None:
    Path("beside.py").write_text("")
    (folder / "_part.py").write_text("SIGN = -1")
    (folder / "mine.py").write_text(code)
    with pytest.raises(UserError, match=re.escape(f"methods/mine.py: {message}")):
        load_method("mine")


def test_it_may_not_have_the_name_of_another(folder: Path) -> None:
    (folder / "cqp.py").write_text(CODE)
    with pytest.raises(UserError, match=r"^methods/cqp\.py: cqp is a method of snnprune; give the file another name$"):
        load_method("cqp")
    load_method("magnitude")  # a file that nobody asks for may be anything


@pytest.mark.parametrize("name", ["dense", "a.b", "two words", "Mine"])
def test_a_name_fits_into_files_and_tables(folder: Path, name: str) -> None:
    (folder / f"{name}.py").write_text(CODE)
    assert name not in available()
    with pytest.raises(UserError, match=rf"; methods/{name}\.py is none: a name is of a-z, 0-9 and _, and not dense$"):
        load_method(name)


def test_a_mask_that_is_none_is_said(folder: Path) -> None:
    (folder / "mine.py").write_text(CODE.replace("return ", ""))
    with pytest.raises(UserError, match=r"^mine: prune returned NoneType, expected a Mask$"):
        snnprune.prune(snnprune.build([4, 2]), DATA, method="mine", level=0.5)


def test_a_file_that_cannot_be_read_is_listed_so(folder: Path) -> None:
    (folder / "mine.py").write_text("def prune(:")
    assert re.search(r"^  mine +Cannot be read: invalid syntax", listing(in_project=False), flags=re.MULTILINE)
