"""A method of the user's own, in the folder `methods` where Python runs."""

from pathlib import Path

import pytest
import torch

import snnprune
from pipeline.io.resume import fingerprint
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
    pruned = snnprune.prune(net, (torch.rand(2, 1, 2, 2), torch.tensor([0, 1])), method="smallest", level=0.5)
    assert pruned.mask[name].tolist() == [[True, False, True, True], [False, False, True, False]]


def test_an_edited_one_is_what_runs_and_has_resume_points_of_its_own(folder: Path) -> None:
    (folder / "smallest.py").write_text(CODE)
    assert load_method("smallest").exact
    before = fingerprint({}, [])
    assert load_method("smallest").exact and fingerprint({}, []) == before
    (folder / "smallest.py").write_text(CODE + "\n\nEXACT = False\n")
    assert not load_method("smallest").exact
    assert fingerprint({}, []) != before


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nowhere", r"^methods/mine\.py: ModuleNotFoundError: No module named 'nowhere'$"),
        ("def prune(:", r"^methods/mine\.py: invalid syntax"),
        ("1 / 0", r"^methods/mine\.py: ZeroDivisionError: division by zero$"),
        ("class Params: pass", r"^methods/mine\.py: has no prune; a method's file has both Params and prune$"),
        ("", r"^methods/mine\.py: has no Params and no prune; "),
        (
            "import beside",
            r"^methods/mine\.py: imports beside of this folder, in which an experiment would see no change",
        ),
    ],
)
def test_what_is_wrong_with_one_is_said(folder: Path, code: str, message: str) -> None:
    Path("beside.py").write_text("")
    (folder / "mine.py").write_text(code)
    with pytest.raises(UserError, match=message):
        load_method("mine")


def test_it_may_not_have_the_name_of_another(folder: Path) -> None:
    (folder / "cqp.py").write_text(CODE)
    with pytest.raises(UserError, match=r"^methods/cqp\.py: cqp is a method of snnprune; give the file another name$"):
        load_method("magnitude")
