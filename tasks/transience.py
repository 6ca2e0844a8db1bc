"""Which errors are worth another try: a lost connection may come back, a computation fails as before."""

from collections.abc import Iterator

_OF_PYTHON = (ConnectionError, TimeoutError)
# No subclasses of those. By name, for whoever meets one has imported its library, and nobody else has to.
_OF_LIBRARIES = frozenset(
    {f"{library}.{name}" for library in ("httpx", "httpx2") for name in ("TimeoutException", "NetworkError")}
    | {"httpx.RemoteProtocolError", "httpx2.RemoteProtocolError"}
    | {"requests.ConnectionError", "requests.Timeout", "requests.ChunkedEncodingError"}
    | {"urllib3.TimeoutError", "urllib3.ProtocolError", "urllib3.MaxRetryError"}
)


def is_lost_connection(error: BaseException) -> bool:
    """Tell whether an error, or one that it came from, says that a connection was lost or never made."""
    # What asks a process to end may well be raised while a connection is being waited for.
    return isinstance(error, Exception) and any(map(_says_so, _origins(error)))


def _says_so(error: BaseException) -> bool:
    names = (f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__)
    return isinstance(error, _OF_PYTHON) or not _OF_LIBRARIES.isdisjoint(names)


def _origins(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from, as a traceback shows them; nothing twice."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
