"""MLflow is down: one line, the request is kept, and one command carries it out later."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from flows import cli
from flows.registry import promote as promotions
from flows.registry.promote import NotReached, carry_out_kept, promote
from flows.registry.requests import keep, kept, remove, shown
from flows.registry.serve import serve
from pipeline.promotion.params import PromotionParams
from snnprune.core.errors import UserError
from tests.flows.registry.conftest import champion
from tests.processes import free_port

DOWN = "http://127.0.0.1:9"
HALF, NEWER = PromotionParams(level=0.5, model="edge"), PromotionParams(level=0.995, model="edge")


def test_a_request_is_kept_and_carried_out_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DOWN)
    for _ in range(2):  # asked twice, it is one request
        with pytest.raises(NotReached) as found:
            promote("tiny", HALF)
    message = str(found.value)
    assert message.startswith(f"MLflow cannot be used (API request to {DOWN}") and "\n" not in message
    assert message.endswith(
        "kept in mlruns/promotions/tiny-to-edge.json, carry it out later: snnprune promote --pending"
    )
    (one,) = kept(project)
    assert (one.request.experiment, one.request.folder, one.request.params) == ("tiny", ".", HALF)
    with pytest.raises(NotReached):
        carry_out_kept()
    assert kept(project) == [one]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlruns/mlflow.db")
    assert carry_out_kept()
    assert champion(project, "edge").tags["net"] == "cqp@0.50/seed0"
    assert kept(project) == []
    assert not carry_out_kept()


def test_one_that_fails_by_itself_is_dropped_with_its_reason(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DOWN)
    for model in ("a", "b"):
        with pytest.raises(NotReached):
            promote("tiny", HALF.model_copy(update={"model": model}))
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    choose = promotions.choose

    def refuse_a(table, params: PromotionParams):
        if params.model == "a":
            raise UserError("a: no net")
        return choose(table, params)

    monkeypatch.setattr(promotions, "choose", refuse_a)
    with pytest.raises(UserError, match="^a: no net$"):
        carry_out_kept()
    assert kept(project) == []
    assert champion(project, "b").tags["net"] == "cqp@0.50/seed0"


def test_track_carries_it_out_too(project: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DOWN)
    with pytest.raises(NotReached):
        promote("tiny", HALF)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    cli.track()
    assert champion(project, "edge").tags["net"] == "cqp@0.50/seed0"
    assert "edge: version 1 (cqp@0.50/seed0) is now champion" in capsys.readouterr().out


def test_a_scheduled_run_keeps_it_in_the_project_with_its_own_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    worktree = tmp_path / ".worktrees/nightly"
    worktree.mkdir(parents=True)
    (worktree / ".git").write_text("gitdir: elsewhere")
    file = keep(worktree, "digits", ".overrides", PromotionParams())
    assert file == tmp_path / "mlruns/promotions/digits.overrides-to-digits.overrides.json"
    assert shown(worktree, file) == "mlruns/promotions/digits.overrides-to-digits.overrides.json"
    assert shown(worktree, Path("/elsewhere/a.json")) == "/elsewhere/a.json"  # a store that is a file there
    (one,) = kept(tmp_path)
    assert (one.request.folder, one.request.suffix) == (".worktrees/nightly", ".overrides")


def test_a_damaged_request_is_named(project: Path) -> None:
    folder = project / "mlruns/promotions"
    folder.mkdir()
    for content, reason in {'{"experiment": "tiny"}': "request.suffix: missing", "edited": "Expecting value"}.items():
        (folder / "broken.json").write_text(content)
        with pytest.raises(UserError, match=f"^mlruns/promotions/broken.json: correct or delete it: {reason}"):
            carry_out_kept()


@pytest.mark.parametrize("newer", [NEWER, HALF])
def test_a_request_written_while_an_older_one_is_carried_out_stays(
    project: Path, monkeypatch: pytest.MonkeyPatch, newer: PromotionParams
) -> None:
    """Also one that asks the same: the results may be others by now."""
    file = keep(project, "tiny", "", HALF)
    monkeypatch.setattr(promotions, "promote", lambda *_, **__: bool(keep(project, "tiny", "", newer)))
    assert carry_out_kept()
    (found,) = kept(project)
    assert (found.file, found.request.params) == (file, newer)


def test_mlflow_down_again_does_not_put_an_older_request_in_the_place_of_a_newer(project: Path, monkeypatch) -> None:
    keep(project, "tiny", "", HALF)
    choose = promotions.choose

    def choose_while_another_asks(table, params: PromotionParams):
        keep(project, "tiny", "", NEWER)
        return choose(table, params)

    monkeypatch.setattr(promotions, "choose", choose_while_another_asks)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DOWN)
    with pytest.raises(NotReached, match=r"is kept in mlruns/promotions/tiny-to-edge\.json"):
        carry_out_kept()
    assert [one.request.params for one in kept(project)] == [NEWER]


def test_one_that_another_process_has_carried_out_meanwhile_is_done(project: Path, monkeypatch) -> None:
    file = keep(project, "tiny", "", HALF)
    monkeypatch.setattr(promotions, "promote", lambda *_, **__: file.unlink())
    assert carry_out_kept()
    file.symlink_to("nowhere")  # as it is listed, and gone when it is read
    assert kept(project) == []


@pytest.mark.parametrize("use", [lambda root, one: keep(root, "tiny", "", HALF), remove])
def test_no_file_is_written_between_a_look_at_it_and_its_removal(project: Path, use: Callable) -> None:
    keep(project, "tiny", "", HALF)
    (before,) = kept(project)
    with ThreadPoolExecutor(1) as other:
        with FileLock(project / "mlruns/requests.lock"):
            waiting = other.submit(use, project, before)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            assert kept(project) == [before]
        waiting.result()
    assert kept(project) != [before]


def test_the_reason_holds_no_part_of_a_secret(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut at 300 letters, and text is cut at hyphens, too."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "s3cr3t-of-mine")

    def refuse(*_: object) -> None:
        raise OSError(f"{'x' * 285} s3cr3t-of-mine is refused there")

    monkeypatch.setattr("flows.registry.registry.Registry", refuse)
    with pytest.raises(NotReached, match=r"x \*\*\* is \.\.\.\); the request is kept"):
        promote("tiny", HALF)
    with pytest.raises(UserError, match=r"x \*\*\* is \.\.\.$"):
        serve("tiny", "champion", free_port())
