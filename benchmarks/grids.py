"""Figures laid out in rows and columns, for the terminal and for Markdown: one layout, two renderings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Column
from rich.table import Table as RichTable

from benchmarks.figures import Figure, targets

_NO_VALUE = "–"
_MINUS = "\u2212"
_FORMATS: Mapping[str, str] = {"dB": ".2f", "count": ",.0f", "share": ".1f", "score": ".3f", "s": ".1f"}


@dataclass(frozen=True)
class Grid:
    """A table of finished words; the first column holds the rows' names."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        rule = ("---", *("---:" for _ in self.headers[1:]))
        return "".join(f"| {' | '.join(row)} |\n" for row in (self.headers, rule, *self.rows))

    def terminal(self, title: str) -> RichTable:
        """Return the table for the terminal."""
        first, *others = self.headers
        columns = [Column(first, no_wrap=True), *(Column(name, justify="right") for name in others)]
        table = RichTable(*columns, title=title, title_justify="left", box=None)
        for row in self.rows:
            table.add_row(*row)
        return table


def by_metric(figures: Sequence[Figure], columns: Mapping[str, str], name: str) -> Grid:
    """Return one row a metric and one column for each of `columns` (id: heading); `name` heads the rows."""
    return _grid(figures, columns, name, row_of=lambda figure: figure.label)


def by_group(figures: Sequence[Figure], columns: Mapping[str, str], name: str) -> Grid:
    """Return one row a group, such as a subject; the figures are of one metric."""
    return _grid(figures, columns, name, row_of=lambda figure: figure.group)


def target_grid(figures: Sequence[Figure], columns: Mapping[str, str]) -> Grid:
    """Return one row for each figure that has a target, saying whether and by how much it was missed."""
    rows = tuple(
        (f"{figure.label}, {columns[figure.column]}", aim(figure), number(figure), outcome(figure))
        for figure in targets(figures)
    )
    return Grid(("figure", "target", "measured", "outcome"), rows)


def aim(figure: Figure) -> str:
    """Return a figure's target in words."""
    if figure.target is None:
        return ""
    if figure.bound == "surely above":
        return f"interval above {quantity(figure.target, figure)}"
    return f"{figure.bound} {quantity(figure.target, figure)}"


def outcome(figure: Figure) -> str:
    """Return whether a figure reached its target, and by how much it missed it."""
    shortfall = figure.shortfall()
    if shortfall is None or figure.is_met is None:
        return f"not measured ({figure.status})"
    if figure.is_met:
        return "met"
    by = f"{shortfall * 100:.1f} points" if figure.unit == "share" else quantity(shortfall, figure)
    return f"**missed by {by}**"


def number(figure: Figure) -> str:
    """Return a value with its interval; a value that is not there is said to be so, with its reason."""
    if figure.value is None:
        return f"{_NO_VALUE} ({figure.status})"
    value = quantity(figure.value, figure)
    if figure.low is None or figure.high is None:
        return value
    return f"{value} [{_bare(figure.low, figure)}, {_bare(figure.high, figure)}]"


def quantity(value: float, figure: Figure) -> str:
    """Return a number in the figure's unit."""
    endings = {"dB": " dB", "share": " %", "s": " s"}
    return _bare(value, figure) + endings.get(figure.unit, "")


def _bare(value: float, figure: Figure) -> str:
    if figure.unit == "error":
        return f"{value:.1e}"
    scaled = value * 100 if figure.unit == "share" else value
    return format(scaled, _FORMATS[figure.unit]).replace("-", _MINUS)


def _grid(
    figures: Sequence[Figure], columns: Mapping[str, str], name: str, row_of: Callable[[Figure], str]
) -> Grid:
    cells = {(row_of(figure), figure.column): number(figure) for figure in figures}
    names = dict.fromkeys(row_of(figure) for figure in figures)
    rows = tuple((row, *(cells.get((row, column), "") for column in columns)) for row in names)
    return Grid((name, *columns.values()), rows)
