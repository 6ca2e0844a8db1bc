"""Write `docs/performance.md` from what `python -m benchmarks.speed` and `benchmarks.speed.memory` left.

python -m benchmarks.speed.page            write it
python -m benchmarks.speed.page --check    exit with status 1 when it is stale
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.launching import FIGURES_FOLDER
from benchmarks.speed.grid import outcome, speed_grid, target_grid, title
from benchmarks.speed.plots import draw_growth
from benchmarks.speed.rows import Row, read_how, read_rows
from benchmarks.speed.workloads import WORKLOADS
from flows.terminal import seconds

PAGE = Path("docs/performance.md")
NOTES = Path(__file__).with_name("notes.toml")
MEMORY = "memory"
HEADER = """# Performance

Written by `python -m benchmarks.speed` from its figures and from `benchmarks/speed/notes.toml`; do not edit.
`make bench` measures all of it again but the memory of a large model, which has a command of its own.

Both sides of a row took turns, each in a process of its own (A B A B); values are medians of the rounds, and
the brackets hold the extremes of the rounds' ratios. Memory is the highest resident memory of the process, on
a GPU the highest that was allocated there. "Of the limit" is the UNet's own arithmetic against a large matrix
product in the same precision, measured in the same run. The plain peers are in `benchmarks/speed/plain_*.py`.

"""


def write(folder: Path, target: Path = PAGE) -> None:
    """Write the page and its plots, when the figures are the committed ones; leave both alone otherwise."""
    if folder.resolve() == FIGURES_FOLDER.resolve():
        draw_growth(read_rows(folder / "speed.parquet"), folder)
        target.write_text(page(folder), encoding="utf-8")


def page(folder: Path) -> str:
    """Return the page that the figures in `folder` make."""
    rows, how = read_rows(folder / "speed.parquet"), read_how(folder / "speed.parquet")
    held, notes = read_rows(folder / f"{MEMORY}.parquet"), read_notes(NOTES)
    parts = [HEADER]
    if rows:
        parts += [_machine(how), _targets([*rows, *held], notes), *_workloads(rows, notes, folder)]
    else:
        parts.append("Not measured yet.\n\n")
    parts += _memory(held, read_how(folder / f"{MEMORY}.parquet"), notes)
    return "".join(parts)


def read_notes(path: Path) -> Mapping[str, str]:
    """Return what people wrote: a paragraph a workload, by its name."""
    return {name: str(text).strip() for name, text in tomllib.loads(path.read_text(encoding="utf-8")).items()}


def main() -> None:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        write(FIGURES_FOLDER)
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page(FIGURES_FOLDER):
        sys.exit(f"{PAGE} is stale: python -m benchmarks.speed.page")


def _machine(how: Mapping[str, str]) -> str:
    device = "" if how["device"] == "cpu" else f", {how['device']}"
    took = seconds(float(how["seconds"]))
    small = (
        ""
        if how.get("size", "full") == "full"
        else "\n**These figures are of the tiny size and mean nothing.**\n"
    )
    return f"""```bash
.venv/bin/{how["command"]}
```

{how["measured_utc"]}, in {took}, on {how["processor"]}, {how["cores"]} cores{device};
torch {how["torch"]}, Python {how["python"]}.
{small}
"""


def _targets(rows: Sequence[Row], notes: Mapping[str, str]) -> str:
    wanted = [row for row in rows if row.target is not None]
    met = sum(row.shortfall() == 0 for row in wanted)
    lines = [f"## What was to be reached\n\n{met} of {len(wanted)} targets are met.\n\n"]
    lines.append(target_grid(rows).markdown())
    for row in wanted:
        if row.shortfall():
            lines.append(f"\n**{title(row)}**: {outcome(row).strip('*')}. {_found(row)}\n")
    missed = dict.fromkeys(row.workload for row in wanted if row.shortfall())
    lines += [
        f"\nWhat the profile of {name} shows, and what was tried: see {_link(name)}.\n" for name in missed
    ]
    return "".join(lines) + "\n"


def _found(row: Row) -> str:
    """Return what the figures themselves say of a missed target."""
    said = []
    if row.ratio_low is not None and row.ratio_high is not None:
        said.append(f"The rounds lie between {row.ratio_low:.2f} and {row.ratio_high:.2f}.")
    if row.share is not None:
        said.append(f"It runs at {row.share:.0%} of {row.limit}.")
    return " ".join(said)


def _workloads(rows: Sequence[Row], notes: Mapping[str, str], folder: Path) -> Iterator[str]:
    for name in WORKLOADS:
        own = [row for row in rows if row.workload == name]
        yield f"## {name.capitalize()}\n\n"
        if note := notes.get(name):
            yield f"{note}\n\n"
        if not own:
            yield f"Not measured yet: `python -m benchmarks.speed --only {name}`.\n\n"
            continue
        yield f"```bash\n.venv/bin/python -m benchmarks.speed --only {name}\n```\n\n"
        yield speed_grid(own).markdown() + "\n"
        yield from (f"- {title(row)}: {row.note}.\n" for row in own if row.note)
        yield from (f"- The limit: {limit}.\n" for limit in dict.fromkeys(row.limit for row in own) if limit)
        yield "\n"
        yield from _plots(own, folder)


def _memory(rows: Sequence[Row], how: Mapping[str, str], notes: Mapping[str, str]) -> Iterator[str]:
    yield f"## {MEMORY.capitalize()}\n\n{notes[MEMORY]}\n\n"
    if not rows:
        yield "Not measured yet: `python -m benchmarks.speed.memory`.\n"
        return
    yield _machine(how)
    yield speed_grid(rows).markdown()


def _plots(rows: Sequence[Row], folder: Path) -> Iterator[str]:
    for against in dict.fromkeys(row.against for row in rows if row.against and row.against_value):
        name = f"growth_{against.replace(' ', '_')}.svg"
        yield f"![Time and peak memory against {against}]({folder.name}/{name})\n\n"


def _link(name: str) -> str:
    return f"[{name}](#{name})"


if __name__ == "__main__":
    main()
