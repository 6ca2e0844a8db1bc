"""What a Prefect server refuses, and that it does not answer, told as errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from httpx import HTTPError, HTTPStatusError
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from moongate.errors import ConfigError


@contextmanager
def explained(client: SyncPrefectClient, intent: str) -> Iterator[None]:
    """Turn what Prefect's client raises within into an error that says what to do.

    Args:
        client: of the server.
        intent: what is done within, after "did not let us".

    Raises:
        ConfigError: when the server refuses, or does not answer.
    """
    try:
        yield
    except ObjectNotFound as error:
        raise _refusal(client, intent, "the server no longer has it", "start it again") from error
    except HTTPStatusError as error:
        fix = "mend what the server says, then the same command again"
        if error.response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            fix = "set PREFECT_API_KEY or PREFECT_API_AUTH_STRING to what the server asks for"
        raise _refusal(client, intent, reason_of(error), fix) from error
    except HTTPError as error:
        fix = "look at the server (moongate status), then the same command again"
        raise _refusal(client, intent, reason_of(error), fix) from error


def _refusal(client: SyncPrefectClient, intent: str, why: str, fix: str) -> ConfigError:
    return ConfigError(
        f"the Prefect server did not let us {intent}", where=str(client.api_url), why=why, fix=fix
    )


def passes(error: HTTPError) -> bool:
    """Tell whether an error is one of the server's troubles, and not its answer to what was asked."""
    if not isinstance(error, HTTPStatusError):
        return True
    status = error.response.status_code
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    )


def reason_of(error: HTTPError) -> str:
    """Return what went wrong in a line: the server's words where it said any."""
    if not isinstance(error, HTTPStatusError):
        return str(error) or type(error).__name__
    answer = error.response
    try:
        said = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        said = ""
    return f"{answer.status_code} {answer.reason_phrase}{f': {said}' if said else ''}"
