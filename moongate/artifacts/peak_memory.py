"""How much memory this process took."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# What the kernel takes as "forget the highest resident size so far" (proc_pid_clear_refs(5)).
_FORGET_PEAK = "5"


def restart_peak_memory() -> None:
    """Let `peak_memory_bytes` count from now on; systems other than Linux count from the process's start."""
    with suppress(OSError):
        _CLEAR.write_text(_FORGET_PEAK)


def peak_memory_bytes() -> int:
    """Return the highest resident memory of this process since the last restart of the count, in bytes."""
    if _STATUS.exists():
        # Not ru_maxrss: after a fork and exec that one starts at the parent's peak.
        kibibytes = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(kibibytes.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
