"""Growth: time and peak memory against how much there is of something."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.bench import Bench
from benchmarks.speed.growing import (
    Prepared,
    images_taken_in,
    pictures_drawn,
    pictures_evaluated,
    steps_trained,
    subjects_learned,
)
from benchmarks.speed.racing import Build, Contender
from benchmarks.speed.rows import Row, alone

NAME = "growth"
TIME, MEMORY = "time", "peak memory"
_SUBJECTS = Path("datasets/subjects")
# Doubling the extent may add this share of memory and no more, where work streams.
_STREAMING_EXPONENT = 0.1
_PICTURES_OF_STEPS, _STEPS_OF_PICTURES = 8, 2


@dataclass(frozen=True)
class Course:
    """One thing that grows.

    Attributes:
        against: what it is a number of.
        case: what is done with it.
        points: the numbers.
        build: prepares the work; it gets `count`, a scratch folder and `arguments`.
        count: the name of the argument that takes the number.
        arguments: what else the work is given.
        streams: whether its memory is not to grow.
    """

    against: str
    case: str
    points: tuple[int, ...]
    build: Build
    arguments: Mapping[str, Any]
    count: str = "count"
    streams: bool = True


def measure(bench: Bench) -> Iterator[Row]:
    """Yield a row a point, and then what was fitted to each course."""
    for course in courses(bench):
        rows = [_point(bench, course, number) for number in course.points]
        yield from rows
        yield from fits(course.case, rows, streams=course.streams)


def courses(bench: Bench) -> tuple[Course, ...]:
    """Return what grows."""
    size, material = bench.size, bench.material
    common: dict[str, Any] = {"base": bench.base, "device": bench.device}
    prepared = Prepared(
        material.store.root,
        material.pictures.digest,
        material.latents.digest,
        material.evaluation_latents.digest,
    )
    settings = (f"base.device={bench.device}", *size.job_settings)
    return (
        Course("images", "ingest and cache", size.growth_images, images_taken_in, common),
        Course(
            "samples",
            f"sample, {_STEPS_OF_PICTURES} steps",
            size.growth_samples,
            pictures_drawn,
            common | {"steps": _STEPS_OF_PICTURES},
        ),
        Course(
            "evaluated samples",
            "evaluate, both models",
            size.growth_samples,
            pictures_evaluated,
            common | {"prepared": prepared},
        ),
        Course(
            "sampling steps",
            f"sample, {_PICTURES_OF_STEPS} pictures",
            size.growth_steps,
            pictures_drawn,
            common | {"count": _PICTURES_OF_STEPS},
            count="steps",
        ),
        Course("training steps", "train", size.growth_steps, steps_trained, common | {"prepared": prepared}),
        Course(
            "subjects",
            "batch of short jobs",
            size.growth_subjects,
            subjects_learned,
            {"settings": settings},
            count="subjects",
            streams=False,
        ),
    )


def fits(case: str, rows: Sequence[Row], *, streams: bool) -> Iterator[Row]:
    """Yield what time and memory grow like: value = constant * number ** exponent, fitted to the logarithms.

    Args:
        case: what was done.
        rows: one a point.
        streams: whether the memory is not to grow.
    """
    numbers = [row.against_value or 1.0 for row in rows]
    for what, values in (
        (TIME, [row.ours_value or 0.0 for row in rows]),
        (MEMORY, [(row.ours_peak_bytes or 0) / 2**20 for row in rows]),
    ):
        exponent, constant = fitted(numbers, values)
        unit = "s" if what == TIME else "MiB"
        fit = replace(
            rows[0],
            case=f"{case}: {what} like number of {rows[0].against} to the power of",
            unit="exponent",
            ours_value=exponent,
            ours_peak_bytes=None,
            ours_unet_evals=None,
            against_value=None,
            note=f"constant {constant:.3g} {unit}; {numbers[0]:,.0f} to {numbers[-1]:,.0f} {rows[0].against}",
        )
        watched = what == MEMORY and streams
        yield fit.aimed("ours", "at most", _STREAMING_EXPONENT) if watched else fit


def fitted(numbers: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return exponent and constant of the power law nearest to the points, by least squares of logarithms."""
    exponent, offset = np.polyfit(np.log(numbers), np.log(values), 1)
    return float(exponent), float(np.exp(offset))


def _point(bench: Bench, course: Course, number: int) -> Row:
    with tempfile.TemporaryDirectory(dir=bench.scratch, ignore_cleanup_errors=True) as folder:
        amount: Any = number
        if course.count == "subjects":
            amount = tuple(sorted(path for path in _SUBJECTS.iterdir() if path.is_dir()))[:number]
        arguments = {**course.arguments, course.count: amount, "scratch": Path(folder)}
        contender = Contender(course.against, course.build, arguments, bench.device, warm_ups=0)
        laps = bench.race(f"{NAME}: {number:,} {course.against}", (contender,), 1)[course.against]
    row = alone(bench.subject(NAME), course.case, "s", laps.laps[0].done.items, ("moongate", laps))
    return replace(row, against=course.against, against_value=float(number))
