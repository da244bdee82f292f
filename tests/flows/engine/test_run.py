"""The commands `run` and `plan`: their ends, their errors, and what they leave unloaded."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from flows import run as run_module
from flows.engine.dvc import Project
from flows.environment import stage_environment
from flows.run import default_workers, plan, print_line, run
from snnprune.core.errors import UserError
from snnprune.core.schema import ParamsError
from tests.flows.conftest import dvc


@pytest.fixture(autouse=True)
def tiny_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny project has no real summary."""
    monkeypatch.setattr(run_module, "comparison", lambda experiment: f"table of {experiment}")


@pytest.fixture
def any_params(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny project's params are none of ours."""
    monkeypatch.setattr(run_module, "validate_params", lambda: None)


def files_of(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file() and not {".dvc", "mlruns"} & set(path.parts)]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_a_run_ends_with_the_table_and_leaves_nothing_to_do(fresh: Path, any_params, capsys) -> None:
    run("tiny", workers=2)
    output = capsys.readouterr().out
    assert len([line for line in output.splitlines() if line.startswith("[")]) == 8  # one a stage, none of theirs
    assert "at work" not in output
    assert "what stages print: logs/<stage>.log" in output
    assert (fresh / "logs/data@tiny.log").read_text() == "data at work\n"
    assert "8 stages: 8 ran" in output
    assert "\n\ntable of tiny\n\nreport: results/tiny/report/index.html\n" in output
    assert dvc(fresh, "status", "report@tiny", "--with-deps") == "Data and pipelines are up to date.\n"
    run("tiny")
    assert "8 stages: 8 unchanged" in capsys.readouterr().out


def test_a_run_promotes_in_the_end_and_wrong_options_stop_it_before(project: Path, any_params, capsys) -> None:
    with pytest.raises(ParamsError, match="^promote: expected key=value"):
        run("tiny", promote="0.5")
    assert not capsys.readouterr().out
    run("tiny", promote="level=0.5,model=edge")
    said = capsys.readouterr().out
    assert said.index("table of tiny") < said.index("edge: version 1 (cqp@0.50/seed0) is now champion")


def test_a_plan_says_what_would_run_and_why_and_changes_nothing(project: Path, any_params, capsys) -> None:
    plan("tiny")
    assert capsys.readouterr().out.endswith("8 stages: 8 unchanged\n")
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("0.995", "0.99"))
    (project / "results/tiny/studies/layers/table.csv").unlink()
    before = files_of(project)
    plan("tiny")
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["data@tiny"] == ["unchanged"]
    assert lines["prune@tiny-cqp-0"] == ["run", "params.yaml: experiments.tiny.prune"]
    assert lines["study@tiny-layers"] == ["cached", "results/tiny/studies/layers/table.csv"]
    assert lines["evaluate@tiny"] == ["maybe", "after prune@tiny-cqp-0, prune@tiny-magnitude-0"]
    assert lines["8"] == ["stages:", "2 run, 1 cached, 3 maybe, 2 unchanged"]
    assert files_of(project) == before


@pytest.mark.parametrize("command", [run, plan])
def test_nets_that_the_matrix_does_not_list_are_named(project: Path, any_params, capsys, command) -> None:
    for name in ("prune/gone/seed0", "prune/cqp/seed1", "train/seed1"):
        (project / "results/tiny" / name).mkdir(parents=True)
    command("tiny")
    assert "results/tiny/prune/cqp/seed1 and 2 more: the matrix lists no such nets" in capsys.readouterr().out


@pytest.mark.parametrize("command", [run, plan, lambda name: run(name, prefect=True)])
def test_a_wrong_name_is_an_error_with_the_choices(fresh: Path, command) -> None:
    with pytest.raises(UserError, match="no experiment 'nope'; the matrix in params.yaml has: tiny"):
        command("nope")


@pytest.mark.parametrize("command", [run, plan])
def test_matrix_yaml_is_brought_up_to_date_first(project: Path, command, capsys) -> None:
    params = project / "params.yaml"
    text = params.read_text().replace("seeds: [0]", "seeds: [0, 1]")
    params.write_text(text)
    with pytest.raises(UserError):
        command("nope")
    assert capsys.readouterr().out == "matrix.yaml brought up to date with params.yaml\n"
    assert "prune@tiny-cqp-1" in Project(project).addresses()


def test_a_wrong_matrix_is_an_error(fresh: Path) -> None:
    params = fresh / "params.yaml"
    params.write_text(params.read_text().replace("seeds: [0]", "seeds: [0, 0]"))
    with pytest.raises(ParamsError, match=r"matrix\.tiny\.seeds: entries must differ; found \[0, 0\]"):
        run("tiny")


@pytest.mark.parametrize("command", [run, plan])
def test_wrong_params_are_an_error_before_any_work(fresh: Path, command, capsys) -> None:
    with pytest.raises(ParamsError, match=r"experiments\.tiny\.data"):
        command("tiny")
    assert "at work" not in capsys.readouterr().out
    assert not (fresh / "results").exists()


def test_with_nothing_to_do_no_heavy_library_is_loaded(project: Path, any_params) -> None:
    program = (
        "import sys; from flows import run; run.comparison = str; run.run('tiny'); "
        "heavy = {'torch', 'mlflow', 'sqlalchemy', 'prefect', 'pandas', 'distributed'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    run("tiny")  # logs what MLflow does not have yet
    done = subprocess.check_output([sys.executable, "-c", program], env=stage_environment(), text=True)
    assert "tracking: 0 results logged, 8 already there" in done
    assert done.splitlines()[-1] == "[]"


def test_a_line_and_its_end_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[str] = []
    monkeypatch.setattr(sys, "stdout", stream := io.StringIO())
    monkeypatch.setattr(stream, "write", pieces.append)
    print_line("[a] one")
    assert pieces == ["[a] one\n"]


def test_the_default_is_what_the_granted_cores_have_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("runtime: {threads: 2}\nexperiments: {tiny: {}}\n")
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert default_workers() == 3
    monkeypatch.delattr("os.sched_getaffinity")
    assert default_workers() == 32
