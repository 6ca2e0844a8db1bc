"""Files for writers that must not meet an error."""

import io
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import Buffer, override


class PatientFile(io.RawIOBase):
    """A new file whose writes never fail: the first error is kept, and raised by `check` and at the end.

    Arrow's content-defined chunking checks its writes by an assertion in C++, so that on a full disk the
    whole process would be aborted, without a message and without a chance to clean up.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("wb")
        self._position = 0
        self._fault: OSError | None = None

    @override
    def writable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._position

    @override
    def write(self, data: Buffer, /) -> int:
        size = memoryview(data).nbytes
        if self._fault is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._fault = error
        self._position += size
        return size

    def check(self) -> None:
        """Raise the first error, if there was any."""
        if self._fault is not None:
            raise self._fault

    @override
    def __enter__(self) -> Self:
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        except OSError as fault:
            self._fault = self._fault or fault
        self.close()
        if error is None:
            self.check()
