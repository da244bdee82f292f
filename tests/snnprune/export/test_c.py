"""The C program: its integer form against the integer runtime, its bytes against the compiler's, its messages."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from snnprune.core.errors import UserError
from snnprune.core.network import encoded_input
from snnprune.export import c
from snnprune.export.c import FLAGS, run_c
from snnprune.export.registry import load_target
from snnprune.quantise.inputs import integer_inputs
from snnprune.quantise.quantise import quantise
from tests.snnprune.export.nets import NETS, net, samples


def written(folder: Path, kind: str, target: str) -> Path:
    for name, content in load_target(target).export(net(kind), ()).files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("kind", NETS)
def test_whole_numbers_are_those_of_the_integer_network(kind: str, bits: int, tmp_path: Path) -> None:
    network, images = net(kind), samples(net(kind))
    expected = quantise(network, bits).integer.run(integer_inputs(network.spec, images, 0))
    assert len(np.unique(expected, axis=0)) > 5
    inputs = encoded_input(network.spec, images, None, 0)[0]
    found = run_c(written(tmp_path, kind, f"c-int{bits}"), inputs)
    assert np.array_equal(found.numpy(), expected)


@pytest.mark.parametrize("target", ["c", "c-int8", "c-int4"])
@pytest.mark.parametrize("kind", ["dense", "convolutions"])
def test_bytes_are_those_that_the_compiler_takes(kind: str, target: str, tmp_path: Path) -> None:
    about = load_target(target).export(net(kind), ()).about
    found = compiled_bytes(written(tmp_path, kind, target))
    assert found == {key: about[key] for key in found}


def compiled_bytes(folder: Path) -> dict[str, int]:
    """By the sizes of the symbols; the table of pointers, snn_layers, is not counted."""
    subprocess.run(["cc", "-std=c99", "-O0", "-c", folder / "main.c", "-o", folder / "main.o"], check=True)
    symbols = subprocess.run(["nm", "-S", folder / "main.o"], check=True, capture_output=True, text=True).stdout
    found = {"flash_bytes": 0, "ram_bytes": 0}
    for size, kind, name in re.findall(r"^\w+ (\w+) (\w) snn_(\w+)$", symbols, re.MULTILINE):
        if kind in "rb" and name != "layers":
            found["flash_bytes" if kind == "r" else "ram_bytes"] += int(size, 16)
    return found


def test_two_weights_of_four_bits_are_in_a_byte() -> None:
    text = load_target("c-int4").export(net("dense"), ()).files["snn.h"].decode()
    weights, columns = (int(re.search(rf"snn_{name}_0\[(\d+)\]", text)[1]) for name in ("weights", "columns"))
    assert weights == -(-columns // 2)


def test_samples_come_from_a_file_or_from_standard_input_and_must_be_whole(tmp_path: Path) -> None:
    folder, images = written(tmp_path, "dense", "c"), samples(net("dense"))
    subprocess.run(["cc", *FLAGS, folder / "main.c", "-o", folder / "snn"], check=True)
    content = images.numpy().tobytes()
    (folder / "samples").write_bytes(content)
    by_file = subprocess.run([folder / "snn", folder / "samples"], check=True, capture_output=True).stdout
    by_input = subprocess.run([folder / "snn"], input=content, check=True, capture_output=True).stdout
    assert by_file == by_input
    counts = net("dense")(images)
    assert by_file.split(b"\n")[0].decode() == f"{counts[0].argmax()}: {' '.join(str(int(c)) for c in counts[0])}"
    partial = subprocess.run([folder / "snn"], input=content[:-4], capture_output=True)
    assert (partial.returncode, partial.stderr) == (1, b"the last sample is not whole: 15 values of 16\n")
    missing = subprocess.run([folder / "snn", folder / "none"], capture_output=True, text=True)
    assert missing.returncode == 1
    assert "No such file" in missing.stderr


def test_a_step_at_a_time_gives_the_same(tmp_path: Path) -> None:
    """As a chip would run it: steps one by one, while the counts grow."""
    kind = "stride and pooling on frames"
    folder, images = written(tmp_path, kind, "c"), samples(net(kind))
    (folder / "steps.c").write_text(
        '#include <stdio.h>\n#include "snn.h"\nstatic float in[SNN_INPUTS];\n'
        "int main(void) {\n  for (;;) {\n    uint32_t t, i;\n    snn_start();\n"
        "    for (t = 0; t < SNN_TIMESTEPS; t++) {\n"
        "      if (fread(in, sizeof in, 1, stdin) != 1) return 0;\n      snn_step(in, t);\n    }\n"
        '    for (i = 0; i < SNN_CLASSES; i++) printf("%u ", (unsigned)snn_counts[i]);\n'
        '    printf("\\n");\n  }\n}\n'
    )
    subprocess.run(["cc", *FLAGS, folder / "steps.c", "-o", folder / "steps"], check=True)
    content = images.float().numpy().tobytes()
    out = subprocess.run([folder / "steps"], input=content, check=True, capture_output=True).stdout.decode()
    found = torch.tensor([[int(count) for count in line.split()] for line in out.splitlines()])
    assert torch.equal(found.float(), net(kind)(images))


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    c._compiled.cache_clear()
    with pytest.raises(UserError, match="no C compiler found"):
        run_c(written(tmp_path, "dense", "c"), samples(net("dense")))
