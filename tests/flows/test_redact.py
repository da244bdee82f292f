"""Secrets are taken out of text, whatever form they have, and nothing else is."""

import traceback

import pytest

from flows.redact import redact, redact_values, redacted_errors, secrets_of, without_secrets_of_services
from snnprune.core.errors import UserError

PLANTED = "s3cr3t/of+mine"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql+psycopg://snn:hunter2@db:5432/mlflow", "postgresql+psycopg://snn:***@db:5432/mlflow"),
        ("at http://:pw@host/#/experiments/1 (x@y)", "at http://:***@host/#/experiments/1 (x@y)"),
        ("http://u:p@ss@host/a", "http://u:***@host/a"),
        ("https://ghp_0123456789abcdefghij@github.com/a/b", "https://***@github.com/a/b"),
        ("https://h/x?a=1&token=abc&b=2", "https://h/x?a=1&token=***&b=2"),
        ("'Authorization': 'Bearer abcdefgh.ijkl'", "'Authorization': 'Bearer ***'"),
        ("https://hooks.slack.com/services/T0/B0/xyz: 404", "https://hooks.slack.com/*** 404"),
    ],
)
def test_a_secret_is_known_by_where_it_stands(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("http://127.0.0.1:4200/runs/flow-run/7", "sqlite:////home/me/mlruns/mlflow.db", "git@github.com:me/nets.git"),
        *("cqp@0.90/seed0", "token 3 of 7", "bearer of news", "a, b://", "accuracy: 0.95 [a]", "s3://bucket/a@b"),
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "name", ["MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "PREFECT_API_KEY", "GITHUB_TOKEN", "PGPASSWORD"]
)
def test_a_secret_is_known_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, PLANTED)
    assert redact(f"it is {PLANTED}, or s3cr3t%2Fof%2Bmine") == "it is ***, or ***"
    assert redact_values({"a": PLANTED, "b": "b"}) == {"a": "***", "b": "b"}
    monkeypatch.setenv(name, "7777777")
    assert redact(f"{PLANTED} 7777777") == f"{PLANTED} ***"


def test_a_password_in_an_address_of_the_environment_is_one_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://snn:s3cr3t%2Fof%2Bmine@db/mlflow")
    assert redact(f"password authentication failed: {PLANTED}") == "password authentication failed: ***"


def test_of_a_webhook_s_address_the_path_is_secret_too() -> None:
    url = "https://example.org/hooks/abc/def?k=v"
    assert secrets_of({"SNNPRUNE_WEBHOOK_URL": url}) >= {url, "/hooks/abc/def?k=v"}
    assert secrets_of({"SNNPRUNE_WEBHOOK_URL": "https://example.org/hook"}) == {
        *("https://example.org/hook", "https%3A%2F%2Fexample.org%2Fhook")
    }


def test_what_may_stand_anywhere_is_no_secret() -> None:
    plain = {"TOKENIZERS_PARALLELISM": "parallel", "MY_PASSWORD": "root", "SSH_AUTH_SOCK": "/tmp/agent"}
    assert not secrets_of(plain)


def test_a_stage_gets_no_secret_of_a_service_it_does_not_use() -> None:
    kept = {"MLFLOW_TRACKING_URI": "http://h:5000", "AWS_SECRET_ACCESS_KEY": PLANTED, "PATH": "/bin"}
    lost = {
        "MLFLOW_TRACKING_PASSWORD": PLANTED,
        "SNNPRUNE_WEBHOOK_URL": "https://h/hook",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://snn:hunter2@db/prefect",
    }
    assert without_secrets_of_services({**kept, **lost}) == kept


@pytest.mark.parametrize(("raised", "seen"), [(UserError, UserError), (ValueError, RuntimeError)])
def test_an_error_that_would_show_a_secret_is_raised_without(raised: type, seen: type) -> None:
    with pytest.raises(seen) as found, redacted_errors():
        try:
            raise OSError("cannot open mysql://u:hunter2@db")
        except OSError as error:
            raise raised("no database") from error
    text = "".join(traceback.format_exception(found.value))
    assert "no database" in text and "hunter2" not in text
    if raised is ValueError:
        assert "cannot open mysql://u:***@db" in text and "ValueError: no database" in text


def test_any_other_error_passes_as_it_is() -> None:
    error = KeyError("level")
    with pytest.raises(KeyError) as found, redacted_errors():
        raise error
    assert found.value is error
