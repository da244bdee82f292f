"""Messages to a webhook, on a real server; one that does not arrive costs a line without a secret."""

import pytest

from flows.notification import LONGEST, VARIABLE, message, require_webhook, send
from snnprune.core.errors import UserError
from tests.processes import free_port
from tests.receiver import PATH, receiver


def test_a_message_says_what_happened_why_how_to_go_on_and_where_to_look() -> None:
    reason = "stage train@digits-0 failed: exit code 1; its last lines:\n  | no memory"
    links = {"Prefect": "http://h:4200/runs/flow-run/7", "MLflow": ""}
    assert message("digits", "failed", reason, "snnprune run digits --prefect", links) == (
        "snnprune: digits failed\n"
        "stage train@digits-0 failed: exit code 1; its last lines:\n  | no memory\n"
        "to go on: snnprune run digits --prefect\n"
        "Prefect: http://h:4200/runs/flow-run/7"
    )


def test_of_a_long_reason_the_end_is_sent_and_no_secret() -> None:
    text = message("a", "failed", "x" * 2 * LONGEST + "the end", "again", {"MLflow": "http://u:hunter2@h"})
    assert len(text) < LONGEST + 100
    assert text.splitlines()[1].startswith("...x") and text.splitlines()[1].endswith("the end")
    assert text.endswith("MLflow: http://u:***@h")


def test_no_part_of_a_secret_is_sent_where_the_reason_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "s3cr3t-of-mine")
    for after in range(LONGEST - 13, LONGEST):  # letters: the cut is after the first to the last letter of it
        sent = message("a", "failed", "x" * 20 + "s3cr3t-of-mine" + "y" * after, "again", {}).splitlines()[1]
        assert sent.removeprefix("...").strip("xy") in ("***", "**", "*", "")
        assert sent.endswith("y" * after)


def test_it_is_posted_as_slack_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    with receiver() as found:
        monkeypatch.setenv(VARIABLE, f" {found.url}\n")
        assert send("a\nµ", lines.append)
    assert (found.texts, found.types, lines) == (["a\nµ"], ["application/json"], [])


def test_an_address_that_is_none_is_named_before_there_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "https://hooks.example.org/services/T0", "http://127.0.0.1:9/"):
        monkeypatch.setenv(VARIABLE, value)
        require_webhook()
    for value in ("hooks.example.org", "ftp://h/x", "https://", "http://[::1"):
        monkeypatch.setenv(VARIABLE, value)
        with pytest.raises(UserError, match=f"^{VARIABLE} is not a valid address for messages; expected https:"):
            require_webhook()


def test_nobody_wants_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    for value in ("", " "):
        monkeypatch.setenv(VARIABLE, value)
        assert not send("a", lines.append)
    monkeypatch.delenv(VARIABLE)
    assert not send("a", lines.append)
    assert lines == []


def test_one_that_is_refused_or_reaches_nobody_costs_a_line_without_the_address(monkeypatch) -> None:
    lines: list[str] = []
    with receiver() as found:
        found.status = 404
        monkeypatch.setenv(VARIABLE, found.url)
        assert not send("a", lines.append)
    monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{free_port()}{PATH}")
    assert not send("a", lines.append)
    monkeypatch.setenv(VARIABLE, f"no address at all{PATH}")
    assert not send("a", lines.append)
    start = f"the message about this run did not reach 127.0.0.1 ({VARIABLE}): "
    assert lines[0] == f"{start}it answered 404 Not Found"
    assert lines[1] == f"{start}ConnectionError"
    assert lines[2] == f"the message about this run did not reach its receiver ({VARIABLE}): InvalidURL"
