"""Takes secrets out of text that people and other tools get to see: logs, MLflow tags, Prefect artifacts, messages.

A secret is the value of an environment variable whose name says so (`..._PASSWORD`, `..._TOKEN`, `..._WEBHOOK_URL`), or
the password in an address, wherever that stands: `postgresql://user:PASSWORD@host`, `?token=...`, `Bearer ...`.
"""

import os
import re
import textwrap
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

from snnprune.core.errors import UserError

HIDDEN = "***"
SHORTEST = 6  # letters; what is shorter may stand in any text, and is only known by where it stands
SHORTEST_PATH = 12
REASON_LENGTH = 300  # letters
NAMED_SECRET = re.compile(
    r"(^|_)(PASSWORD|PASSWD|PGPASSWORD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?|AUTH_STRING|"
    r"WEBHOOK_URL)(_|$)",
    re.IGNORECASE,
)
WEBHOOK = re.compile(r"(^|_)WEBHOOK_URL$", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s/?#@:]*):([^\s/?#]*)(?=@)")  # up to the last @ before the path
IN_TEXT = (
    (PASSWORD_IN_URL, rf"\1:{HIDDEN}"),
    (re.compile(r"(?<=://)[^\s/?#@:]{20,}(?=@)"), HIDDEN),  # a token in the place of a user, as git takes it
    (re.compile(r"(?i)([?&;](?:password|passwd|pwd|secret|token|access_token|api_?key|sig|signature)=)[^\s&;#'\"]+"),
     rf"\1{HIDDEN}"),
    (re.compile(r"(?i)(authorization\W{1,4}\w+)\s+[^\s'\"]+"), rf"\1 {HIDDEN}"),
    (re.compile(r"(https://hooks\.slack\.com/)[^\s'\"<>)]+"), rf"\1{HIDDEN}"),
)  # fmt: skip
OF_SERVICES = ("MLFLOW_", "PREFECT_", "SNNPRUNE_")


def redact(text: str) -> str:
    """The text with *** in the place of every secret."""
    for pattern, hidden in IN_TEXT:
        text = pattern.sub(hidden, text)
    known = _either(secrets_of(os.environ))
    return known.sub(HIDDEN, text) if known else text


def reason_of(error: BaseException) -> str:
    """What an error says, in one short line without secrets. They are replaced first: half of one is not found."""
    return textwrap.shorten(redact(str(error)), REASON_LENGTH, placeholder=" ...")


def redact_values(values: Mapping[str, str]) -> dict[str, str]:
    """The same of every value; names stay."""
    return {name: redact(value) for name, value in values.items()}


def secrets_of(environment: Mapping[str, str]) -> frozenset[str]:
    """The secrets in the values of these variables, each also as it is written in an address. Of a webhook's address
    the path is one, too: where a server cannot be reached, that is what an error message quotes."""
    found: set[str] = set()
    for name, value in environment.items():
        if NAMED_SECRET.search(name):
            found.add(value.strip())
            if WEBHOOK.search(name):
                found.add(_path(value))
        if "://" in value:
            found |= {match[2] for match in PASSWORD_IN_URL.finditer(value)}
    found |= {form for secret in found for form in (quote(secret, safe=""), unquote(secret))}
    return frozenset(secret for secret in found if len(secret) >= SHORTEST)


def without_secrets_of_services(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without those variables of MLflow, Prefect and the webhook that hold a secret: a stage, which uses
    none of the three, cannot write what it does not know."""
    return {
        name: value
        for name, value in environment.items()
        if not (name.startswith(OF_SERVICES) and secrets_of({name: value}))
    }


@contextmanager
def redacted_errors() -> Iterator[None]:
    """While in here, an error that would show a secret, in its message or in that of what it came from, is raised
    without it: a UserError as one, anything else as a RuntimeError that holds the whole traceback."""
    try:
        yield
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        if redact(text) == text:
            raise
        shown = UserError(redact(str(error))) if isinstance(error, UserError) else RuntimeError(redact(text))
        raise shown from None


def _path(url: str) -> str:
    """Path and query of an address; nothing where they are so short that they may stand anywhere."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return path if len(path) >= SHORTEST_PATH else ""


@lru_cache(maxsize=4)
def _either(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """Longer ones first: one may begin with another."""
    words = sorted(secrets, key=lambda secret: (-len(secret), secret))
    return re.compile("|".join(map(re.escape, words))) if words else None
