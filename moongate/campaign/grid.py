"""The settings of a sweep: every combination of some values, or some of the combinations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Self

import numpy as np

from moongate.errors import ConfigError
from moongate.overrides import setting_names


@dataclass(frozen=True)
class Axis:
    """One setting of a sweep and its values, as text."""

    key: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `train.steps=100,200,400`.

        Raises:
            ConfigError: when there is no such setting, it is the seed, or a value is missing or named twice.
        """
        key, _, listed = (part.strip() for part in text.partition("="))
        values = tuple(value.strip() for value in listed.split(","))
        if not all(values) or len(set(values)) < len(values):
            raise ConfigError(
                f"{text!r} is no axis of a sweep",
                where="--grid",
                why="its values are missing, or one is there twice",
                fix="write the setting and its values, such as train.steps=100,200,400",
            )
        if key not in setting_names():
            raise ConfigError(
                f"there is no setting {key!r}",
                where=f"--grid {text}",
                why="a sweep varies the settings that `moongate config` prints",
                fix="correct the name, such as train.learning_rate",
            )
        if key == "seed":
            raise ConfigError(
                "the seed is no axis of a sweep",
                where=f"--grid {text}",
                why="the best of several seeds is the luckiest, and a run would be asked to confirm itself",
                fix="leave it out: the recommended setting is run again with a second seed, which "
                "--confirm-seed names",
            )
        return cls(key, values)


def combinations(axes: Sequence[Axis], count: int | None, seed: int) -> tuple[tuple[str, ...], ...]:
    """Return all combinations of the axes as overrides, or `count` of them drawn by `seed`.

    Raises:
        ConfigError: when two axes vary one setting, or the grid has fewer than `count` combinations.
    """
    keys = [axis.key for axis in axes]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise ConfigError(
            f"two axes vary {twice}",
            where=" ".join(f"--grid {twice}={','.join(axis.values)}" for axis in axes if axis.key == twice),
            why="a run has one value of each setting, so the last axis would silently win",
            fix="put all values of a setting into one --grid",
        )
    return every_combination(axes) if count is None else some_combinations(axes, count, seed)


def every_combination(axes: Sequence[Axis]) -> tuple[tuple[str, ...], ...]:
    """Return all combinations as overrides; the last axis changes fastest."""
    choices = [[f"{axis.key}={value}" for value in axis.values] for axis in axes]
    return tuple(product(*choices))


def some_combinations(axes: Sequence[Axis], count: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Return `count` different combinations, drawn uniformly by `seed` and in the order of the grid.

    Random search covers each single axis better than a grid of as many runs (Bergstra & Bengio 2012).

    Raises:
        ConfigError: when the grid has fewer combinations.
    """
    size = prod(len(axis.values) for axis in axes)
    if not 1 <= count <= size:
        raise ConfigError(
            f"{count} of {size} combinations cannot be drawn",
            where="--random",
            why="each is drawn once",
            fix=f"ask for 1 to {size}, or name more values",
        )
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    chosen = set(rng.choice(size, size=count, replace=False).tolist())
    return tuple(each for number, each in enumerate(every_combination(axes)) if number in chosen)
