"""Brings .venv up to date with a lock file: `python3 scripts/set_up.py requirements.lock`; nothing to do costs 0.1 s.

Standard library only, and nothing at import that an old Python lacks: it must live to say that the Python is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
EVERY_SECONDS = 5


class SetUpError(Exception):
    """What is missing, in one line."""


def main(lock: Path, venv: Path) -> None:
    """Make or repair `venv` and install `lock` and the project itself into it.

    Raises:
        SetUpError: Python is too old, git or the repository is missing, or pip failed.
    """
    require_tools(PROJECT)
    ready = venv / f".installed-{lock.name}"
    wanted = f"{venv}\n{hashlib.sha256(lock.read_bytes()).hexdigest()}\n"
    if ready.is_file() and ready.read_text() == wanted and runs(venv):
        return
    if venv.exists() and not runs(venv):
        print(f"{venv}: its Python is gone; making it anew", flush=True)
        shutil.rmtree(venv)
    if home(venv) != str(venv):
        print(f"{venv}: was moved or copied from {home(venv)}; putting its commands right", flush=True)
        repair(venv, home(venv))
    if not (venv / ".home").is_file():  # there is none, or its making was interrupted, perhaps before it had pip
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(venv)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if made.returncode:
            raise SetUpError(f"could not make {venv} (on Debian: apt-get install python3-venv):\n{made.stdout.strip()}")
    (venv / ".home").write_text(str(venv))
    install(lock, venv)
    ready.write_text(wanted)


def require_tools(project: Path) -> None:
    """Check for Python 3.11, a path that can be on PATH, git and a git repository. Raises SetUpError."""
    if tuple(sys.version_info[:2]) < OLDEST:
        found = ".".join(map(str, sys.version_info[:2]))
        raise SetUpError(f"Python 3.11 or later is needed, {sys.executable} is {found}; say make PYTHON=...")
    if os.pathsep in str(project):
        raise SetUpError(f"{project}: no environment works in a folder with {os.pathsep} in its path; rename it")
    if shutil.which("git") is None:
        raise SetUpError("git was not found; DVC needs it")
    if subprocess.call(["git", "-C", str(project), "rev-parse"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        raise SetUpError(f"{project} is no git repository (a download?), which DVC needs; make it one: git init")


def runs(venv: Path) -> bool:
    """Whether the environment's Python starts (it is a link to one that may be gone)."""
    return os.access(venv / "bin" / "python", os.X_OK)


def home(venv: Path) -> str:
    """The folder the environment was set up in."""
    made_at = venv / ".home"
    return made_at.read_text() if made_at.is_file() else str(venv)


def repair(venv: Path, before: str) -> None:
    """Let the commands in bin/ start this environment's Python, not that of the folder they were installed in."""
    start = f"#!/bin/sh\n'''exec' \"{venv}/bin/python\" \"$0\" \"$@\"\n' '''\n"  # a plain `#!` line takes no space
    for script in (venv / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            content = script.read_bytes()
            first, _, rest = content.partition(b"\n")
            if first.startswith(os.fsencode(f"#!{before}/bin/python")):
                content = os.fsencode(start) + rest
            script.write_bytes(content.replace(os.fsencode(before), os.fsencode(str(venv))))


def install(lock: Path, venv: Path) -> None:
    """Run pip, with a line every few seconds on how far it is; its own words go to a log. Raises SetUpError."""
    total = sum("==" in line for line in lock.read_text().splitlines())
    log, start = venv / "install.log", time.monotonic()
    print(f"setting up {venv} from {lock.name}: about {total} packages, once", flush=True)
    for what in (["--requirement", str(lock)], ["--no-deps", "--editable", str(PROJECT)]):
        pip = [venv / "bin" / "python", "-m", "pip", "install", "--no-compile", "--progress-bar", "off", *what]
        with log.open("w") as stream:
            process = subprocess.Popen(pip, stdout=stream, stderr=subprocess.STDOUT)
            while True:
                try:
                    process.wait(EVERY_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    found = log.read_text(errors="replace").count("Collecting ")
                    done = len(list(venv.glob("lib/*/site-packages/*.dist-info")))
                    print(f"  {time.monotonic() - start:3.0f} s: {found} found, {done} installed", flush=True)
        if process.returncode:
            words = [line for line in log.read_text(errors="replace").splitlines() if "ERROR" in line][-3:]
            raise SetUpError("\n".join([f"could not install {what[-1]}; all that pip said is in {log}", *words]))
    print("  compiling", flush=True)
    command = [venv / "bin" / "python", "-m", "flows.prepare"]
    keep = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # pip writes it whatever that says
    with log.open("w") as stream:
        code = subprocess.call(command, cwd=PROJECT, env=keep, stdout=stream, stderr=subprocess.STDOUT)
    if code:
        raise SetUpError(f"could not prepare the first run; what was said is in {log}")
    print(f"  done after {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main(PROJECT / sys.argv[1], PROJECT / os.environ.get("VENV", ".venv"))
    except SetUpError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")
    except OSError as error:  # a full disk, a folder that cannot be written
        sys.exit(f"error: {error}")
