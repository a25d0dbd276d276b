"""Errors that a user can mend: the command line prints them as one sentence and exits with 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A user's mistake. The message names the thing and the fix; no traceback is shown."""


class ConfigError(UserError):
    """A configuration file or key is wrong."""


class DataError(UserError):
    """A data file, message or checkpoint is wrong, truncated or of another shape."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the valid name nearest to ``name``, else the list of valid names."""
    options = sorted(valid)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; valid: {', '.join(options)}"
