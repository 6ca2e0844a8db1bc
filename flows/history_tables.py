"""Tables of the commands that look back."""

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from flows.terminal import seconds
from moongate.artifacts.room import in_words
from moongate.history.comparison import Comparison, Figure, InputChange, MetricChange, SettingChange
from moongate.history.garbage import Garbage
from moongate.history.reasons import Reason


def reason_table(reasons: Sequence[Reason]) -> Table:
    """Return why each stage instance was built or reused."""
    table = _table("stage", "role", "", "because")
    for reason in reasons:
        table.add_row(reason.stage, reason.role, reason.outcome, reason.why)
    return table


def print_comparison(screen: Console, compared: Comparison) -> None:
    """Print three tables: settings, inputs, metrics. One without rows becomes a sentence."""
    screen.print(f"first   {compared.first}\nsecond  {compared.second}\n", highlight=False)
    _print_or_say(screen, _setting_table(compared.settings), "The settings are the same.")
    _print_or_say(screen, _input_table(compared.inputs), "They read the same pictures, prompts and weights.")
    same = f"Figures that are exactly the same: {compared.equal_metrics}."
    none = same if compared.equal_metrics else "Neither run has metrics."
    _print_or_say(screen, _metric_table(compared.metrics), none)
    if compared.metrics and compared.equal_metrics:
        screen.print(same, highlight=False)


def print_garbage(screen: Console, found: Sequence[Garbage], deleted: bool) -> None:  # noqa: FBT001 - says what was done, switches nothing
    """Print what no kept run needs, and how much room it takes."""
    if not found:
        screen.print("There is nothing that no run needs.")
        return
    table = _table("what", "name", "size", "unused for", "")
    for item in found:
        table.add_row(item.kind, item.name, in_words(item.bytes), age(item.idle), item.state)
    screen.print(table, "")
    wanted = "removed" if deleted else "removable"
    room = sum(item.bytes for item in found if item.state == wanted)
    screen.print(
        f"{wanted}: {in_words(room)}" + ("" if deleted else "  (the same command with --delete removes it)")
    )


def garbage_rows(found: Sequence[Garbage]) -> list[dict[str, object]]:
    """Return garbage as JSON rows; times in seconds."""
    return [
        {
            "kind": item.kind,
            "name": item.name,
            "paths": [str(path) for path in item.paths],
            "bytes": item.bytes,
            "idle_s": item.idle.total_seconds(),
            "state": item.state,
        }
        for item in found
    ]


def age(idle: timedelta) -> str:
    """Return a duration as people say it, days included."""
    return f"{idle.days} days" if idle.days > 1 else seconds(idle.total_seconds())


def _table(*titles: str) -> Table:
    return Table(*titles, box=None)


def _print_or_say(screen: Console, table: Table, otherwise: str) -> None:
    screen.print(table if table.row_count else otherwise, "")


def _setting_table(changes: Sequence[SettingChange]) -> Table:
    table = _table("setting", "first", "second")
    for change in changes:
        table.add_row(change.setting, change.first, change.second)
    return table


def _input_table(changes: Sequence[InputChange]) -> Table:
    table = _table("stage", "role", "read", "first", "second")
    for change in changes:
        table.add_row(change.stage, change.role, change.name, change.first, change.second)
    return table


def _metric_table(changes: Sequence[MetricChange]) -> Table:
    table = _table("metric", "model", "first", "second", "difference")
    for change in changes:
        by = "-" if change.difference is None else f"{change.difference:+.3f}"
        figures = (_figure(figure) for figure in (change.first, change.second))
        table.add_row(change.metric, change.model, *figures, by)
    return table


def _figure(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
