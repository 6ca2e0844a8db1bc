"""What the members of a campaign are called beside each other: by number, and by what tells them apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from moongate.campaign.outcomes import Outcome

# A value may hold blanks, so only a blank before the next `setting=` separates.
_NEXT_SETTING = re.compile(r" (?=[a-z_][a-z0-9_.]*=)")
_SUBJECT = "subject"


@dataclass(frozen=True)
class Labels:
    """The names of a campaign's members, in short.

    Attributes:
        headings: `subject`; or the settings of a sweep whose values differ, each as the end of its name.
        values: of each member, one under each heading.
    """

    headings: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    def lines(self, index: int) -> tuple[str, ...]:
        """Return a member's name in parts: the subject, or `steps=100` for each setting."""
        if len(self.headings) == 1 and self.headings[0] == _SUBJECT:
            return self.values[index]
        return tuple(
            f"{title}={value}" for title, value in zip(self.headings, self.values[index], strict=True)
        )

    def name(self, index: int) -> str:
        """Return a member's name on one line."""
        return " ".join(self.lines(index))


def labels_of(outcomes: Sequence[Outcome]) -> Labels:
    """Return what tells these members apart, without what they all share."""
    settings = [_settings(one.overrides) for one in outcomes]
    keys = tuple(settings[0]) if settings else ()
    if not keys or any(tuple(each) != keys for each in settings):
        return Labels((_SUBJECT,), tuple((one.name,) for one in outcomes))
    varied = tuple(key for key in keys if len({each[key] for each in settings}) > 1) or keys
    return Labels(_short(varied), tuple(tuple(each[key] for key in varied) for each in settings))


def numbered(outcomes: Sequence[Outcome], one: Outcome) -> str:
    """Return a member's number, counted from 1 in the campaign's order, and its whole name: `3 bolt_duck`."""
    number = next((place for place, each in enumerate(outcomes, 1) if each.name == one.name), None)
    return one.name if number is None else f"{number} {one.name}"


def separate_settings(overrides: str) -> tuple[str, ...]:
    """Return overrides one by one, from a text that has them with blanks between."""
    return tuple(_NEXT_SETTING.split(overrides)) if overrides else ()


def _settings(overrides: str) -> dict[str, str]:
    parts = [part.partition("=") for part in separate_settings(overrides)]
    return {key: value for key, sign, value in parts if sign}


def _short(keys: Sequence[str]) -> tuple[str, ...]:
    """Return the ends of dotted names, each as long as it must be to differ from the others."""
    return tuple(_shortest(key, [other for other in keys if other != key]) for key in keys)


def _shortest(key: str, others: Sequence[str]) -> str:
    parts = key.split(".")
    ends = (".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1))
    return next((end for end in ends if not any(f".{other}".endswith(f".{end}") for other in others)), key)
