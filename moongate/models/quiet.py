"""Keeps model libraries off the terminal, which belongs to the command line's own progress bars."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

_LOGGINGS: tuple[ModuleType, ...] = (diffusers_logging, transformers_logging)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence progress bars and everything below errors of diffusers and transformers while inside."""
    levels = [logging.get_verbosity() for logging in _LOGGINGS]
    bars = [logging.is_progress_bar_enabled() for logging in _LOGGINGS]
    for logging in _LOGGINGS:
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    try:
        yield
    finally:
        for logging, level, bar in zip(_LOGGINGS, levels, bars, strict=True):
            logging.set_verbosity(level)
            if bar:
                logging.enable_progress_bar()
