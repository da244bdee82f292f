"""Says that a run failed, crashed or is late: a message to the address in SNNPRUNE_WEBHOOK_URL, as Slack and those that
understand its messages take it (`{"text": ...}`, https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

import os
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from flows.redact import redact
from snnprune.core.errors import UserError

VARIABLE = "SNNPRUNE_WEBHOOK_URL"
SECONDS = 10.0  # that the receiver may take
LONGEST = 3000  # letters of what went wrong: of a longer text the end, where the last lines are


def webhook() -> str | None:
    """The address that gets the messages; None where none is wanted."""
    return os.environ.get(VARIABLE, "").strip() or None


def require_webhook() -> None:
    """Check that the address for the messages is one, if any is wanted. Raises UserError."""
    url = webhook()
    try:
        parts = url and urlsplit(url)
    except ValueError:
        parts = None
    if url and not (parts and parts.scheme in ("http", "https") and parts.hostname):
        raise UserError(f"{VARIABLE} is not a valid address for messages; expected https://HOST/...")


def message(experiment: str, what: str, reason: str, command: str, links: Mapping[str, str]) -> str:
    """The text: the experiment, what became of its run (`failed`, `crashed`), why, how to repeat it, and where to look.

    Args:
        reason: the failed stages with their last lines.
        links: name -> address; or a text where there is none.
    """
    reason = redact(reason)  # before it is cut: half a secret is not found
    shown = reason if len(reason) <= LONGEST else f"...{reason[-LONGEST:]}"
    lines = [f"snnprune: {experiment} {what}", shown, f"to go on: {command}"]
    return redact("\n".join([*lines, *(f"{name}: {link}" for name, link in links.items() if link)]))


def send(text: str, say: Callable[[str], None]) -> bool:
    """Send a message if somebody wants it; whether it arrived. One that does not costs a line to `say`, and no more:
    the run has its own end."""
    url = webhook()
    if url is None:
        return False
    import requests  # takes a moment, and few need it

    try:
        requests.post(url, json={"text": text}, timeout=SECONDS).raise_for_status()
    except requests.HTTPError as error:
        reason = f"it answered {error.response.status_code} {error.response.reason}"
    except requests.RequestException as error:
        reason = type(error).__name__
    else:
        return True
    say(f"the message about this run did not reach {_host(url)} ({VARIABLE}): {reason}")
    return False


def _host(url: str) -> str:
    """The only part of a webhook's address that is no secret."""
    try:
        return urlsplit(url).hostname or "its receiver"
    except ValueError:
        return "its receiver"
