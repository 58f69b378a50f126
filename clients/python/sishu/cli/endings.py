"""One way to say what went wrong."""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

from services.runtime.errors import SishuError
from sishu.cli.failures import in_words
from sishu.cli.output import ERRORS
from sishu.cli.settings import SETTINGS, Interrupted
from sishu.cli.texts import say
from sishu.errors import ApiError


def fail(error: Exception) -> NoReturn:
    """End with one message and code 1, with --debug the traceback as well; what was broken off, with 130."""
    if isinstance(error, Interrupted):
        ERRORS.print(str(error) or say("interrupted"), markup=False, highlight=False, soft_wrap=True)
        sys.exit(130)
    if SETTINGS.debug:
        traceback.print_exception(error)
    ERRORS.print(
        f"{say('failed')}: {told(error)}", style="bold red", markup=False, highlight=False, soft_wrap=True
    )
    sys.exit(1)


def told(error: Exception) -> str:
    """What went wrong, and its reason."""
    if isinstance(error, ApiError | SishuError):
        return f"{in_words(error.reason, error.message, error.metadata)} [{error.reason}]"
    return f"{type(error).__name__}: {error} (--debug)"
