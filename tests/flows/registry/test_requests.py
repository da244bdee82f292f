"""MLflow is down: one line, the request is kept, and one command carries it out later."""

from pathlib import Path

import pytest

from flows import cli
from flows.registry import promote as promotions
from flows.registry.promote import NotReached, carry_out_kept, promote
from flows.registry.requests import keep, kept, shown
from pipeline.promotion.params import PromotionParams
from snnprune.core.errors import UserError
from tests.flows.registry.conftest import champion

DOWN = "http://127.0.0.1:9"
HALF = PromotionParams(level=0.5, model="edge")


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
