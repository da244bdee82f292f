"""The errors a user can mend: shown as one message and exit code 1, without a traceback (pipeline/io/entry.py)."""


class UserError(Exception):
    """Base of every expected error; the message says what was found, what was expected and what to do."""


class DataError(UserError, ValueError):
    """A dataset is missing, damaged, altered, or cannot be split as asked."""
