"""A network from a user's Python file, and what is said of one that does not work."""

import sys
from pathlib import Path

import pytest
from torch import nn

from snnprune.adapters.module_file import build_from
from snnprune.core.errors import UserError

FILE = """
from beside import SIZE
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(SIZE, 2)

def build():
    return Net()

def needs(something):
    return Net()

def fails():
    return undefined

def text():
    return "net"
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "beside.py").write_text("SIZE = 3\n")
    (tmp_path / "my_nets.py").write_text(FILE)
    (tmp_path / "broken.py").write_text("def build(:\n")
    return str(tmp_path / "my_nets.py")


@pytest.mark.parametrize("name", ["build", "Net"])
def test_a_function_or_a_class(name: str, source: str) -> None:
    net = build_from(f"{source}:{name}")
    assert isinstance(net, nn.Linear)
    assert net.in_features == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (":other", "my_nets.py: has no other; found are Net, build, needs, fails, text"),
        (":needs", r"my_nets.py:needs: TypeError: needs\(\) missing 1 required positional argument: 'something'"),
        (":fails", r"my_nets.py:fails: NameError: name 'undefined' is not defined \(line 16\)"),
        (":text", "my_nets.py:text: expected a torch.nn.Module; found str"),
        ("", "network: expected <file>.py:<function>, such as my_nets.py:build; found"),
        (":", "network: expected <file>.py:<function>"),
    ],
)
def test_what_does_not_work(name: str, message: str, source: str) -> None:
    with pytest.raises(UserError, match=message):
        build_from(f"{source}{name}")


def test_files_that_are_none(source: str) -> None:
    with pytest.raises(UserError, match=r"nowhere.py: no such file"):
        build_from(source.replace("my_nets", "nowhere") + ":build")
    with pytest.raises(UserError, match=r"broken.py:build: SyntaxError"):
        build_from(source.replace("my_nets", "broken") + ":build")


@pytest.mark.parametrize("package", ["spikingjelly", "norse"])
def test_a_package_that_is_not_installed(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # importing it fails, wherever this runs
    file = tmp_path / "nets_of_others.py"
    file.write_text(f"from torch import nn\nimport {package}\n")
    with pytest.raises(UserError, match=rf"\(line 2\); install it: pip install {package}$"):
        build_from(f"{file}:build")
