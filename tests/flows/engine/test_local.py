"""A stage's commands on this machine: output line by line, stops, and forks that look like fresh processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.engine.local import LocalExecutor
from flows.engine.stage import Stage, StageFailed, Stopped
from flows.engine.stop import Stop

# What a process can see of how it was started.
SEEN = """
import json, os, sys
from pathlib import Path
from tiny import part
main = sys.modules["__main__"]
seen = {
    "argv": sys.argv, "cwd": os.getcwd(), "path": sys.path, "name": __name__, "spec": main.__spec__.name,
    "origin": main.__spec__.origin, "environment": dict(os.environ), "leads": os.getsid(0) == os.getpid(),
    "stdin": sys.stdin.read(), "part": part.VALUE,
    "ours": sorted(name for name in sys.modules if name.split(".")[0] in ("tiny", "flows", "pipeline", "snnprune")),
}
print("seen", flush=True)
print("error", file=sys.stderr)
Path(sys.argv[1]).write_text(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def executor() -> LocalExecutor:
    return LocalExecutor(["json", "nonsense"])


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A package with a module that writes down what it sees."""
    (tmp_path / "tiny").mkdir()
    for name, text in {"__init__": "", "part": "VALUE = 1\n", "see": SEEN}.items():
        (tmp_path / "tiny" / f"{name}.py").write_text(text)
    return tmp_path


def run(executor: LocalExecutor, folder: Path, command: str, stop: Stop | None = None) -> list[str]:
    lines: list[str] = []
    executor.run(Stage("a", commands=(command,), root=folder, folder=folder), lines.append, stop or Stop())
    return lines


def test_a_fork_sees_what_a_fresh_process_sees_and_never_stale_code(tiny: Path, executor: LocalExecutor) -> None:
    lines = run(executor, tiny, "python -m tiny.see warm.json --flag=1")
    run(LocalExecutor(None), tiny, "python -m tiny.see cold.json --flag=1")
    warm, cold = (json.loads((tiny / name).read_text()) for name in ("warm.json", "cold.json"))
    assert sorted(lines) == ["error", "seen"]
    for seen in (warm, cold):
        seen["argv"].remove("warm.json" if "warm.json" in seen["argv"] else "cold.json")
        for name in ("STARTED_BY_FLOW", "_", "SHLVL", "OLDPWD", "PWD"):  # the mark, and what a shell adds
            seen["environment"].pop(name, None)
        seen["leads"] = True  # the shell does, or has become the process
    assert warm == cold
    assert warm["ours"] == ["tiny", "tiny.part"]
    (tiny / "tiny" / "part.py").write_text("VALUE = 'edited'\n")
    run(executor, tiny, "python -m tiny.see warm.json")
    assert json.loads((tiny / "warm.json").read_text())["part"] == "edited"


def test_a_fork_writes_what_it_holds_back_and_does_what_is_left_for_the_end(
    tiny: Path, executor: LocalExecutor
) -> None:
    (tiny / "tiny/sloppy.py").write_text(
        "import atexit\nimport sys\nimport threading\nimport time\n"
        "out = open('held.txt', 'w')\nout.write('held')\n"
        "atexit.register(lambda: print('at the end'))\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('beside'))).start()\n"
        "sys.stdout.write('no line end')\n"
    )
    assert run(executor, tiny, "python -m tiny.sloppy") == ["no line endbeside", "at the end"]
    assert (tiny / "held.txt").read_text() == "held"


@pytest.mark.parametrize("is_warm", [True, False])
def test_a_failure_has_its_last_lines_and_how_to_go_on(tiny: Path, executor: LocalExecutor, is_warm: bool) -> None:
    with pytest.raises(StageFailed) as failure:
        run(executor if is_warm else LocalExecutor(None), tiny, "python -m tiny.gone")
    assert (failure.value.reason, failure.value.is_transient) == ("exit code 1", False)
    assert "No module named tiny.gone" in str(failure.value)
    assert str(failure.value).endswith("to run it again: dvc repro a")


@pytest.mark.parametrize("command", ["echo at work; sleep 600", "python -m tiny.wait"])
def test_a_request_to_stop_ends_it_in_the_middle(tiny: Path, executor: LocalExecutor, command: str) -> None:
    (tiny / "tiny/wait.py").write_text("import time\nprint('at work', flush=True)\ntime.sleep(600)\n")
    stop = Stop()
    stage = Stage("a", commands=(command,), root=tiny, folder=tiny)
    with pytest.raises(Stopped):
        executor.run(stage, lambda line: stop.ask(), stop)
    with pytest.raises(Stopped):
        executor.run(stage, print, stop)  # nothing starts any more


def test_of_a_progress_bar_the_last_state_is_a_line(tiny: Path, executor: LocalExecutor) -> None:
    assert run(executor, tiny, r"printf 'one\n\n 10%%\r 20%%\r\n\303\251nd'") == ["one", " 20%", "\u00e9nd"]


def test_lines_come_while_the_stage_runs(tiny: Path, executor: LocalExecutor) -> None:
    early: list[str] = []

    def say(line: str) -> None:
        early.append(line)
        (tiny / "go").touch()  # it waits for this

    command = "echo early; while [ ! -e go ]; do sleep 0.02; done; echo late"
    executor.run(Stage("a", commands=(command,), root=tiny, folder=tiny), say, Stop())
    assert early == ["early", "late"]


def test_a_fork_writes_to_its_own_output_wherever_the_flow_writes_to(tiny: Path) -> None:
    (tiny / "tiny/change.py").write_text("import sys\nsys.stdout.reconfigure(errors='replace')\nprint('changed')\n")
    program = (
        "import sys\nfrom pathlib import Path\nfrom flows.engine.local import LocalExecutor\n"
        "from flows.engine.stage import Stage\nfrom flows.engine.stop import Stop\nhere = Path(sys.argv[1])\n"
        "stage = Stage('a', commands=('python -m tiny.change',), root=here, folder=here)\n"
        "LocalExecutor(['json']).run(stage, print, Stop())\n"
    )
    with (tiny / "log").open("w") as log:  # a file has a position, the pipe that the fork writes to has none
        log.write("before\n")
        log.flush()
        subprocess.run([sys.executable, "-c", program, str(tiny)], stdout=log, stderr=log, check=True)
    assert (tiny / "log").read_text() == "before\nchanged\n"
