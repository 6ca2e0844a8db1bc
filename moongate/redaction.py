"""Secrets of the environment, taken out of what is about to be recorded."""

import os
import re
from collections.abc import Mapping

_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|CONNECTION_URL|AUTH_STRING|COOKIE", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^\s/@]+@")
# A shorter value would be a word that stands everywhere, and is no secret worth the name.
_SHORTEST = 6


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return `text` without values of variables that are named like secrets, and without users in URLs."""
    secrets = {
        value: name
        for name, value in environment.items()
        if _NAMES.search(name) and len(value) >= _SHORTEST and not os.path.exists(value)  # noqa: PTH110
    }
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, f"<{secrets[value]}>")
    return _IN_URL.sub("<credentials>@", text)
