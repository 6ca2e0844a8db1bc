"""All hostile cases, by what they are about."""

from collections.abc import Mapping
from types import MappingProxyType

from benchmarks.hostile import pictures, places, rows
from benchmarks.hostile.case import Case

GROUPS: Mapping[str, tuple[Case, ...]] = MappingProxyType(
    {
        "pictures that cannot be used": pictures.UNUSABLE,
        "pictures that can": pictures.USABLE,
        "lines of metadata": rows.LINES,
        "captions": rows.CAPTIONS,
        "metadata files": rows.WHOLE_FILES,
        "paths": places.PATHS,
        "links and special files": places.LINKS,
        "names": places.NAMES,
        "junk": places.JUNK,
    }
)
CASES = tuple(case for group in GROUPS.values() for case in group)
