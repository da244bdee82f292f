"""Setting up: what is missing is one line, a moved environment is repaired, and nothing to do is quick."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import set_up
from scripts.browser import BrowserMissing, open_browser
from tests.imports import PROJECT
from tests.processes import within


def test_a_missing_python_is_one_line(tmp_path: Path) -> None:
    make = ["make", "-C", str(PROJECT), "setup", "PYTHON=no-such-python", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(make, capture_output=True, text=True)
    assert done.returncode != 0
    assert "error: no-such-python was not found; install Python 3.11" in done.stdout


def test_a_python_that_is_too_old_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 0))
    with pytest.raises(set_up.SetUpError, match=r"Python 3.11 or later is needed, .* is 3.9; say make PYTHON="):
        set_up.require_tools(PROJECT)


def test_a_folder_that_no_environment_works_in_is_named(tmp_path: Path) -> None:
    with pytest.raises(set_up.SetUpError, match=r"a:b: no environment works in a folder with : in its path; rename it"):
        set_up.require_tools(tmp_path / "a:b")


def test_make_ui_takes_a_port() -> None:
    make = ["make", "-C", str(PROJECT), "-n", "-o", "setup", "ui", "PORT=5001"]
    assert "ui --port 5001\n" in subprocess.run(make, capture_output=True, text=True, check=True).stdout


def test_a_download_without_git_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(set_up.SetUpError, match="is no git repository .*: git init"):
        set_up.require_tools(tmp_path)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    set_up.require_tools(tmp_path)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The environments that were installed into, instead of doing so."""
    installed: list[Path] = []
    monkeypatch.setattr(set_up, "install", lambda lock, venv: installed.append(venv))
    return installed


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    (tmp_path / "some.lock").write_text("one==1.0\n")
    return tmp_path / "some.lock"


def test_it_installs_once_after_a_change_and_after_a_move_and_repairs_what_is_broken(
    tmp_path: Path, lock: Path, calls: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old" / ".venv", tmp_path / "new place" / ".venv"
    for _ in range(2):
        set_up.main(lock, old)
    assert calls == [old]
    lock.write_text("one==1.1\n")
    set_up.main(lock, old)
    assert calls == [old, old]

    (old / "bin" / "say").write_text(f"#!{old}/bin/python\nimport sys\nprint(sys.prefix)\n")
    (old / "bin" / "say").chmod(0o755)
    old.parent.rename(new.parent)
    set_up.main(lock, new)
    assert f"{new}: was moved or copied from {old}" in capsys.readouterr().out
    assert calls == [old, old, new]
    assert subprocess.run([new / "bin" / "say"], capture_output=True, text=True, check=True).stdout == f"{new}\n"
    assert str(new) in (new / "bin" / "activate").read_text()

    (new / "bin" / "python").unlink()
    (new / "bin" / "python").symlink_to(tmp_path / "gone")
    set_up.main(lock, new)
    assert calls == [old, old, new, new]
    assert set_up.runs(new)


def test_ctrl_c_is_one_line_and_an_environment_that_is_half_made_is_finished(
    tmp_path: Path, lock: Path, calls: list[Path]
) -> None:
    venv = tmp_path / "venv"
    process = subprocess.Popen(
        [sys.executable, PROJECT / "scripts/set_up.py", lock],
        env={**os.environ, "VENV": str(venv)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    assert within(60, (venv / "bin/python").exists)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted; the same command goes on from here\n"
    set_up.main(lock, venv)
    assert calls == [venv]
    subprocess.run([venv / "bin/python", "-m", "pip", "--version"], check=True, capture_output=True)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, lock: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, PROJECT / "scripts/set_up.py", lock]
    environment = {**os.environ, "VENV": str(tmp_path / "file" / "venv")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr


def test_a_failed_installation_names_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    venv, lock = tmp_path / ".venv", tmp_path / "wrong.lock"
    lock.write_text("no-such-package-at-all==1.0\n")
    with pytest.raises(set_up.SetUpError, match=r"could not install .*wrong.lock; .*install.log\nERROR: "):
        set_up.main(lock, venv)
    assert not (venv / f".installed-{lock.name}").exists()


def test_make_has_every_command_of_the_readme() -> None:
    targets = set(re.findall(r"^([a-z-]+)(?: [a-z-]+)?:", (PROJECT / "Makefile").read_text(), flags=re.MULTILINE))
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make (\w+)", text, flags=re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize(("there", "missing"), [((), "chromium"), (("chromium",), "chromedriver")])
def test_a_missing_browser_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], missing: str
) -> None:
    for name in there:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    message = rf"{missing} was not found \(Debian: apt-get install chromium chromium-driver\)"
    with pytest.raises(BrowserMissing, match=message), open_browser(10, 10):
        pass
