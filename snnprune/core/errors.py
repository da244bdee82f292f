"""Errors that a user can fix; a command prints the message and exits with 1, without a traceback."""


class UserError(Exception):
    """Base of every expected error; the message says what was found, what was expected and what to do."""


class DataError(UserError, ValueError):
    """A dataset is missing, damaged, altered, or cannot be split as asked."""


class NotFiniteError(UserError, ValueError):
    """A loss, gradient, weight or result is NaN or infinite."""
