"""`snnprune export` on what `snnprune prune` wrote: the section of docs/export.md as a user types it, and messages."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import snnprune
from flows import cli
from pipeline.export.export import export
from pipeline.export.find import find
from snnprune.adapters.module_file import build_from
from snnprune.adapters.network import AdaptedNetwork
from snnprune.core.errors import UserError
from snnprune.core.network import SpikingNetwork
from tests.imports import PROJECT

PAGE = (PROJECT / "docs/export.md").read_text(encoding="utf-8").partition("## From your own script")[2]


def blocks(language: str) -> list[str]:
    """The examples of the section, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def run(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's commands have been typed, but for those that need the package nir."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "residual.py").write_text(blocks("python")[0], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OMP_NUM_THREADS", "1")
        subprocess.run([sys.executable, "residual.py"], check=True)
        for line in blocks("bash")[0].splitlines()[1:]:
            run(patch, line.replace(" --to nir", ""))
    sys.modules.pop("residual", None)
    return folder


def test_the_pages_commands_write_files_that_decide_as_the_network(page: Path) -> None:
    cards = {path.parent.name: json.loads(path.read_text()) for path in (page / "export").rglob("card.json")}
    assert {"c", "state-dict"} <= set(cards)
    assert cards["c"]["differences"]["decisions"] == 0 < cards["c"]["differences"]["samples"]
    assert cards["c"]["sparsity"] == pytest.approx(0.9, abs=1e-3)
    assert cards["c"]["net"] == "pruned/level-0.90"


def test_the_pages_script_takes_the_pruned_net_back(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(page)
    printed = subprocess.run([sys.executable, "-c", blocks("python")[1]], check=True, capture_output=True, text=True)
    assert printed.stdout.split()[0].isdigit()


def test_the_pages_c_program_runs(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(page)
    np.zeros((3, 64), np.float32).tofile(page / "samples.bin")
    commands = blocks("sh")[0].splitlines()
    for line in commands[:-1]:
        subprocess.run(line, shell=True, check=True)
    found = subprocess.run(commands[-1], shell=True, check=True, capture_output=True, text=True).stdout
    assert len(found.splitlines()) == 3 and all(re.fullmatch(r"\d: [\d ]+", line) for line in found.splitlines())


def test_a_level_is_found_by_its_file_or_by_a_folder_with_one_alone(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(page)
    by_folder, by_file = find("pruned"), find("pruned/level-0.90.pt")
    assert (by_folder.name, by_folder.argument) == (by_file.name, by_file.argument)
    assert isinstance(by_file.network, AdaptedNetwork)
    with pytest.raises(UserError, match=r"level-0.80.pt: not a level of .*; name one of its levels: .*/level-0.90.pt"):
        find(str(page / "pruned/level-0.80.pt"))
    with pytest.raises(UserError, match=r"other holds no results.json, which snnprune prune writes"):
        find("other/level-0.90.pt")
    with pytest.raises(UserError, match="this target needs a plain sequence of layers"):
        list(export("pruned", ["compact"]))


def test_of_a_plain_sequence_the_level_is_the_librarys_own_network(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(
        monkeypatch,
        "snnprune prune my_nets.py:build --checkpoint my.pt --data idx:mnist --levels 0.5 --epochs 0 --out out",
    )
    net = find("out")
    assert isinstance(net.network, SpikingNetwork)
    state = torch.load(user / "out/level-0.50.pt", weights_only=True)
    assert torch.equal(net.network.layers[1].weight, state["fc1.weight"])
    (line,) = export("out", ["csr"])
    assert "; 0 of 597 decisions differ, spike counts of 0; " in line


def test_of_a_normalised_plain_sequence_whole_numbers_take_images_as_they_are(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "snnprune prune my_nets.py:build --checkpoint my.pt --data idx:mnist --levels 0.5 --epochs 0 --out out"
    run(monkeypatch, f"{command} --normalize 0.1,0.8")
    list(export("out", ["csr", "c", "c-int8"]))
    assert isinstance(find("out").network, SpikingNetwork)
    for target in ("csr", "c"):
        card = json.loads((user / f"export/out/level-0.50/{target}/card.json").read_text())
        assert card["network"]["normalize"] == {"mean": 0.1, "std": 0.8}
        assert card["differences"]["decisions"] == 0
    header = (user / "export/out/level-0.50/c/snn.h").read_text()
    assert " * input: images in 0..1, minus 0.1, divided by 0.8\n" in header
    card = json.loads((user / "export/out/level-0.50/c-int8/card.json").read_text())
    assert card["differences"]["decisions"] < 0.03 * card["differences"]["samples"]
    assert "normalize" not in card["network"]
    text = (user / "export/out/level-0.50/c-int8/README.md").read_text()
    assert "\n| input | images as they are, 1.0 as 255; the weights normalise them |\n" in text
    assert "0..1" not in text
    assert "the weights normalise the input: hand in images as they are, 1.0 as 255" in card["about"]["notes"]


def test_a_level_is_exported_from_elsewhere_and_without_its_data(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are those of the command that pruned it, seen from its folder."""
    command = "snnprune prune my_nets.py:build --checkpoint my.pt --data idx:mnist --levels 0.5 --epochs 0 --out a/out"
    run(monkeypatch, command)
    (user / "other").mkdir()
    monkeypatch.chdir(user / "other")
    (line,) = export("../a/out", ["csr"])
    assert "; 0 of 597 decisions differ, spike counts of 0; " in line
    (user / "mnist").rename(user / "gone")
    (line, note) = export("../a/out/level-0.50.pt", ["csr"])
    assert "differ" not in line
    assert re.fullmatch("  differences from the network are not measured: .*mnist: no such folder.*", note)
    (user / "my_nets.py").unlink()
    with pytest.raises(UserError, match=r"my_nets\.py: no such file"):
        find("../a/out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"out/results\.json: is damaged, no JSON: Expecting property name"),
        ("[]", r"out/results\.json: is damaged; expected what snnprune prune writes, found \[\]"),
        ("{}", r"out/results\.json: is damaged; missing: timesteps, .*network, levels"),
        (None, r"out/results\.json\.levels: "),
    ],
)
def test_damaged_results_are_named(
    user: Path, monkeypatch: pytest.MonkeyPatch, capsys, content: str | None, message: str
) -> None:
    command = "snnprune prune my_nets.py:build --checkpoint my.pt --data idx:mnist --levels 0.5 --epochs 0 --out out"
    run(monkeypatch, command)
    results = user / "out/results.json"
    results.write_text(json.dumps(json.loads(results.read_text()) | {"levels": 3}) if content is None else content)
    with pytest.raises(UserError, match=message):
        find("out/level-0.50.pt")
    if content in ("{", "[]"):  # prune reads it, too
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit, match="1"):
            cli.main()
        assert "error: out/results.json: is damaged" in capsys.readouterr().err


def test_a_level_that_was_removed_is_not_offered(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "snnprune prune my_nets.py:build --checkpoint my.pt --data idx:mnist --levels 0.5 0.6 --epochs 0"
    run(monkeypatch, f"{command} --out out")
    (user / "out/level-0.60.pt").unlink()
    with pytest.raises(
        UserError, match=r"^out/level-0\.60\.pt: no such file; name one of its levels: out/level-0\.50\.pt$"
    ):
        find("out/level-0.60.pt")
    (user / "out/level-0.50.pt").unlink()
    with pytest.raises(UserError, match=r"^out/level-0\.50\.pt: no such file; name one of its levels: none is there$"):
        find("out/level-0.50.pt")


def test_two_levels_of_one_name_are_two_nets(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each card's command names its own file."""
    for out in ("out", "res/out"):
        run(
            monkeypatch,
            f"snnprune prune my_nets.py:build --checkpoint my.pt --data idx:mnist --levels 0.5 --epochs 0 --out {out}",
        )
    list(export("out", ["csr"]))
    with pytest.raises(
        UserError, match=r"export/out/level-0\.50/csr: holds an export of another net, out/level-0\.50\.pt; remove the"
    ):
        list(export("res/out", ["c", "csr"]))
    assert not (user / "export/out/level-0.50/c").exists()
    for name in ("level-0.50.pt", "level-0.50.safetensors"):
        list(export(f"res/out/{name}", ["csr"], Path("other", name)))
        card = json.loads((user / "other" / name / "csr/card.json").read_text())
        assert card["command"] == f"snnprune export res/out/{name} --to csr --out other/{name}"


def test_the_state_dict_of_a_plain_sequence_has_the_users_names(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "snnprune prune my_nets.py:build --checkpoint my.pt --data idx:mnist --levels 0.5 --epochs 0 --out out"
    run(monkeypatch, command)
    (line,) = export("out", ["state-dict"])
    assert "; 0 of 597 decisions differ, spike counts of 0; " in line
    net, state = build_from("my_nets.py:build"), torch.load("export/out/level-0.50/state-dict/weights.pt")
    net.load_state_dict(state, strict=True)
    level = torch.load("out/level-0.50.pt", weights_only=True)
    assert all(torch.equal(level[name], tensor) for name, tensor in state.items())
    loaded = snnprune.load("out/level-0.50.safetensors")
    assert loaded.names["layers.1.weight"] == "fc1.weight"


CHAIN = """
import torch
import snntorch as snn
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 3, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(3)
        self.lif1 = snn.Leaky(beta=0.9, learn_beta=True)
        self.fc, self.lif2 = nn.Linear(147, 10), snn.Leaky(beta=0.8)

    def forward(self, x):
        mem1, mem2, spikes = self.lif1.reset_mem(), self.lif2.reset_mem(), []
        for step in range(4):
            spk1, mem1 = self.lif1(nn.functional.max_pool2d(self.norm(self.conv(x)), 2), mem1)
            spk2, mem2 = self.lif2(self.fc(spk1.flatten(1)), mem2)
            spikes.append(spk2)
        return torch.stack(spikes)


build = Net
"""


def test_a_chain_that_pads_is_exported_in_whole_numbers(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user / "chain.py").write_text(CHAIN)
    torch.manual_seed(0)
    torch.save(build_from("chain.py:build").state_dict(), "chain.pt")
    command = "snnprune prune chain.py:build --checkpoint chain.pt --data idx:mnist --levels 0.5 --epochs 2 --out out"
    run(monkeypatch, command)
    lines = list(export("out", ["c-int8", "c-int4"]))
    assert all("decisions differ" in line for line in lines if line.startswith("c-int"))
    card = json.loads((user / "export/out/level-0.50/c-int8/card.json").read_text())
    assert card["network"]["neurons"]["lif1"]["kind"] == "Leaky"
    assert abs(card["differences"]["accuracy"] - card["accuracy"]["net"]) < 0.02
    with pytest.raises(UserError, match="level-0.50: --tuned needs a net of a project"):
        list(export("out", ["c-int8"], tuned=True))
