"""The rows of a benchmark that is going on, and how they become the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.launching import Stopwatch
from benchmarks.speed.bench import Bench, Workload
from benchmarks.speed.rows import Row, read_how, read_rows, write_rows

# What rows must agree in to be of one run.
_SAME = ("command", "processor", "torch", "size")
_OTHERS = ("cores", "device", "precision", "python", "base", "measured_utc", "seconds")


class Figures:
    """Rows as they come: in a file of their own until all workloads are measured, then in the figures.

    So a benchmark that is stopped goes on with the workload it was in, and the figures stay whole meanwhile.

    Args:
        folder: of the figures.
        name: of their file.
        workloads: all there are, by name, in order.
    """

    def __init__(self, folder: Path, name: str, workloads: Mapping[str, Workload]) -> None:
        self.path = folder / f"{name}.parquet"
        self._unfinished = folder / f"{name}.unfinished.parquet"
        self._workloads = workloads

    def measure(self, names: Sequence[str], bench: Bench, how: Mapping[str, str]) -> None:
        """Measure those of the workloads that an interrupted run of the same kind had not finished.

        Args:
            names: of workloads.
            bench: the model and the device.
            how: the provenance.
        """
        for name in names:
            kept, seconds = self._kept(how)
            if any(_is_of(row, name, bench) for row in kept):
                continue
            watch = Stopwatch()
            found = tuple(self._workloads[name](bench))
            spent = {"seconds": f"{seconds + watch.seconds:.1f}"}
            write_rows(self._unfinished, [*kept, *found], {**how, **spent})

    def finish(self, *, whole: bool) -> None:
        """Make the rows the figures; those of a part replace the same workloads, models and devices.

        Args:
            whole: whether all workloads were asked for. The provenance is that of the last whole run.
        """
        new, how = read_rows(self._unfinished), self._own(read_how(self._unfinished))
        old = () if whole else read_rows(self.path)
        measured = {(row.workload, row.model, row.device) for row in new}
        kept = [row for row in old if (row.workload, row.model, row.device) not in measured]
        order = list(self._workloads)
        rows = sorted([*kept, *new], key=lambda row: (row.model, row.device, order.index(row.workload)))
        write_rows(self.path, rows, self._own(read_how(self.path)) if kept else how)
        self._unfinished.unlink(missing_ok=True)

    def _kept(self, how: Mapping[str, str]) -> tuple[tuple[Row, ...], float]:
        """Return the rows of the interrupted run, and the seconds that they took."""
        known = read_how(self._unfinished)
        if any(known.get(key) != how[key] for key in _SAME):
            return (), 0.0
        return read_rows(self._unfinished), float(known["seconds"])

    @staticmethod
    def _own(footer: Mapping[str, str]) -> dict[str, str]:
        """Return the provenance in a footer, without what every table has there."""
        return {key: value for key, value in footer.items() if key in (*_SAME, *_OTHERS)}


def _is_of(row: Row, name: str, bench: Bench) -> bool:
    return (row.workload, row.model, row.device) == (name, bench.base.name, bench.device)
