"""`snnprune export` as a person types it, without a project."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import snnprune
from flows import cli
from snnprune.export.registry import TARGETS


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["snnprune", "export", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_a_file_for_two_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    snnprune.save(snnprune.build([16, 8, 2]), Path("mine.safetensors"))
    assert typed(monkeypatch, "mine.safetensors", "--to", "compact", "--to", "c", "--out", "for-chip") == 0
    first, second, *notes = capsys.readouterr().out.splitlines()
    assert first.startswith("compact: for-chip/compact: model.safetensors, ")
    assert re.fullmatch(r"c: for-chip/c: snn\.h, .*; \d+ flash bytes, \d+ ram bytes", second)
    build = next(note.split(": ", 1)[1] for note in notes if note.startswith("  build: "))
    subprocess.run(build.split(), cwd="for-chip/c", check=True)  # as the last line says


def test_a_wrong_target_is_named(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    assert typed(monkeypatch, "mine.safetensors", "--to", "tflite") == 1
    assert capsys.readouterr().err.startswith("error: unknown target 'tflite'; available are: state-dict, ")


def test_an_interrupted_export_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    snnprune.save(snnprune.build([16, 8, 2]), Path("mine.safetensors"))
    monkeypatch.setattr("pipeline.export.export.write", lambda *_: signal.raise_signal(signal.SIGINT))
    assert typed(monkeypatch, "mine.safetensors", "--to", "csr") == 128 + signal.SIGINT
    assert capsys.readouterr().err == "interrupted; the same command goes on from here\n"


def test_help_names_all_targets(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    assert typed(monkeypatch, "--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"{', '.join([*TARGETS][:-1])} or {[*TARGETS][-1]}" in text
