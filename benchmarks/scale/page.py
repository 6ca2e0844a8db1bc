"""Write `docs/scale.md` from what was measured and assumed, or check that it is fresh.

python -m benchmarks.scale.page            write it
python -m benchmarks.scale.page --check    exit with status 1 when it is stale
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import fill

import pyarrow.parquet as pq

from benchmarks.launching import FIGURES_FOLDER
from benchmarks.scale.assumptions import (
    A100,
    ASSUMED,
    CLASSES,
    FAST_STORE_RATE,
    NIGHT_HOURS,
    PROGRESS_EVERY,
    SERVER_RATE,
    STORE_RATE,
    SUBJECTS,
)
from benchmarks.scale.calls import EVENT, REQUEST, TURNS, Call, Load, load_of, read_calls
from benchmarks.scale.costs import StageCost, read_costs
from benchmarks.scale.night import Night, Shared, Step, fewest_devices, simulate
from benchmarks.scale.plan import Demand, chain_here, chain_on_gpu, demand, most_subjects

PAGE = Path("docs/scale.md")
NOT_MEASURED = "Not measured yet: `python -m benchmarks.scale`.\n"
HOUR_S = 3600.0
MOST_DEVICES = 4096
PLAIN = Shared(STORE_RATE.value, SERVER_RATE.value)
FAST = Shared(FAST_STORE_RATE.value, SERVER_RATE.value)
WITH_EXPORT, ADAPTER_ONLY = 2, 1


@dataclass(frozen=True)
class Scenario:
    """A chain, and the smallest night of all subjects that ends in time.

    Attributes:
        reports_per_s: what a device at work sends to the Prefect server while nobody waits for it.
    """

    name: str
    chain: tuple[Step, ...]
    demand: Demand
    shared: Shared
    reports_per_s: float

    @property
    def most_devices(self) -> int:
        """How many are tried: no more than leave the server half of what it answers for requests."""
        return min(MOST_DEVICES, int(self.shared.server_calls_per_s / 2 / self.reports_per_s))

    @cached_property
    def devices(self) -> int | None:
        """How many devices it takes."""
        return fewest_devices(self._night, _night_s(), self.most_devices)

    @cached_property
    def night(self) -> Night:
        """The night with as many devices, or with the most that are tried."""
        return self._night(self.devices or self.most_devices)

    def _night(self, devices: int) -> Night:
        return simulate(
            self.chain, int(SUBJECTS.value), int(CLASSES.value), devices, self.shared, self.reports_per_s
        )


def page(folder: Path) -> str:
    """Return the page that the Parquet files in `folder` make."""
    head = "# Ten thousand subjects a night\n\n" + _paragraph(
        """Written by `python -m benchmarks.scale.page` from `docs/figures/scale_*.parquet` and the
        assumptions in `benchmarks/scale/assumptions.py`; do not edit."""
    )
    if not (folder / "scale_costs.parquet").is_file():
        return f"{head}\n{NOT_MEASURED}"
    costs, how = read_costs(folder / "scale_costs.parquet")
    calls = read_calls(folder / "scale_calls.parquet")
    load = load_of(calls)
    parts = [
        *_answer(scenarios(costs, load), load),
        *_measured(costs, how),
        *_server(calls, load),
        *_assumed(),
        *_engines(folder / "engines.parquet"),
    ]
    return "\n".join([head, *parts])


def scenarios(costs: Sequence[StageCost], load: Load) -> list[Scenario]:
    """Return the chain as it was measured, and on a GPU with stores and servers that are asked for less."""
    seldom, gpu = load.with_progress_every(PROGRESS_EVERY.value), f"Stable Diffusion 1.5 on {A100.name}"

    def scenario(name: str, chain: Sequence[Step], asked: Load, shared: Shared) -> Scenario:
        wanted = demand(chain, costs, int(SUBJECTS.value), asked.per_s)
        return Scenario(name, tuple(chain), wanted, shared, asked.per_s)

    def on_gpu(words: str, asked: Load, copies: int, shared: Shared) -> Scenario:
        return scenario(f"{gpu}, {words}", chain_on_gpu(costs, asked, copies), asked, shared)

    return [
        scenario("toybox, as measured on this CPU", chain_here(costs, seldom), seldom, PLAIN),
        on_gpu("with the exported model", seldom, WITH_EXPORT, PLAIN),
        on_gpu("with the exported model, fast store", seldom, WITH_EXPORT, FAST),
        on_gpu("adapter only", seldom, ADAPTER_ONLY, PLAIN),
        on_gpu("adapter only, fast store, progress every second", load, ADAPTER_ONLY, FAST),
        on_gpu("adapter only, fast store", seldom, ADAPTER_ONLY, FAST),
    ]


def main() -> None:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(FIGURES_FOLDER), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page(FIGURES_FOLDER):
        sys.exit(f"{PAGE} is stale: python -m benchmarks.scale.page")


def _answer(found: Sequence[Scenario], load: Load) -> Iterator[str]:
    yield "## How many devices, and what limits first\n"
    yield _paragraph(
        f"""{SUBJECTS.value:,.0f} subjects in {NIGHT_HOURS.value:.0f} hours, as members of one
        `moongate batch --engine ray` (or dask): a worker takes one subject after the other and holds its
        device for the whole chain. The simulation goes event by event; the store and the Prefect server serve
        one request at a time, in the order in which they come. What devices report beside their work
        (progress, logs, heartbeats) is waited for by nobody, and takes its part of what the server answers;
        no more devices are tried than leave half of it. Where nothing else is said, progress is sent every
        {PROGRESS_EVERY.value:.0f} s."""
    )
    yield _conclusion(found[2], found[5])
    yield _progress_sentence(found[4], load)
    yield "| chain | devices | hours | devices busy | store busy | server busy |"
    yield "|---|--:|--:|--:|--:|--:|"
    yield from (_night_row(one) for one in found)
    yield "\nHow many subjects each resource alone would allow in such a night:\n"
    yield "| chain | these devices | store | Prefect server | first to limit, beside devices |"
    yield "|---|--:|--:|--:|---|"
    yield from (_limit_row(one) for one in found)
    yield "\nWhat one subject asks for, its part of its class's work included, and what a night sums up to:\n"
    yield "| chain | device | store | files | requests and events | store, a night | files, a night |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    yield from (_demand_row(one) for one in found)
    yield ""
    yield _server_sentence(found[0])


def _conclusion(exported: Scenario, adapter: Scenario) -> str:
    rates = [one.demand.store_bytes * SUBJECTS.value / _night_s() for one in (exported, adapter)]
    return _paragraph(
        f"""With Stable Diffusion 1.5 on {A100.name}, a fast store and progress every
        {PROGRESS_EVERY.value:.0f} s it takes {_devices(exported)}, or {_devices(adapter)} when runs keep the
        adapter only. The store has to take {_size(rates[0])} a second without a break, or {_size(rates[1])},
        nearly all of it float32 weights. With a slower one no number of devices is enough, and the thing to
        do is to keep fewer weights: no exported model, half precision, or a low-rank method."""
    )


def _progress_sentence(one: Scenario, load: Load) -> str:
    rate = one.demand.server_calls * SUBJECTS.value / _night_s()
    share = load.progress_per_s / load.per_s
    return _paragraph(
        f"""With progress every second all runs together ask {rate:,.0f} times a second of the Prefect server,
        which is taken to answer {SERVER_RATE.value:.0f}; {share:.0%} of what grows with time is progress.
        Nobody watches ten thousand bars: `MOONGATE_PROGRESS_EVERY_S` makes them rarer. A work pool's workers
        and the table of runs lose nothing by it."""
    )


def _devices(one: Scenario) -> str:
    return f"{one.devices} devices" if one.devices else f"more devices than the {one.most_devices:,} tried"


def _night_row(one: Scenario) -> str:
    night = one.night
    hours = f"{night.seconds / HOUR_S:.1f}"
    if one.devices is None:
        count, hours = f"{one.most_devices:,} are not enough ({hours} h with those)", "-"
    else:
        count = f"{one.devices:,}"
    shares = (night.device_share, night.store_share, night.server_share)
    cells = " | ".join(f"{share:.0%}" for share in shares)
    return f"| {one.name} | {count} | {hours} | {cells} |"


def _limit_row(one: Scenario) -> str:
    allowed = most_subjects(one.demand, one.shared, one.devices or one.most_devices, _night_s())
    shared = {"store": allowed.store, "Prefect server": allowed.server}
    first = min(shared, key=lambda name: shared[name])
    cells = f"{allowed.devices:,.0f} | {allowed.store:,.0f} | {allowed.server:,.0f}"
    return f"| {one.name} | {cells} | {first}, at {shared[first]:,.0f} subjects |"


def _demand_row(one: Scenario) -> str:
    asked, subjects = one.demand, SUBJECTS.value
    return (
        f"| {one.name} | {asked.device_s:,.0f} s | {_size(asked.store_bytes)} | {asked.files:.0f} "
        f"| {asked.server_calls:.0f} "
        f"| {_size(asked.store_bytes * subjects)} | {asked.files * subjects:,.0f} |"
    )


def _server_sentence(one: Scenario) -> str:
    calls = one.demand.server_calls * SUBJECTS.value
    return _paragraph(
        f"""The Prefect server sees {calls:,.0f} requests and events, {calls / _night_s():.0f} a second on
        average. A SQLite file has one writer; beyond two workers it has to be Postgres. Each artifact is a
        folder of its own, so the folders that grow with the number of subjects are those of the runs, of each
        stage's artifacts and of each table; `moongate gc --keep-runs` bounds them."""
    )


def _night_s() -> float:
    return NIGHT_HOURS.value * HOUR_S


def _paragraph(text: str) -> str:
    return fill(" ".join(text.split()), 110, break_on_hyphens=False, break_long_words=False) + "\n"


def _measured(costs: Sequence[StageCost], how: dict[str, str]) -> Iterator[str]:
    yield "## What one run cost\n"
    yield f"```bash\n.venv/bin/{how['command']}\n```\n"
    yield _paragraph(
        f"""{how["measured_utc"]}, on {how["processor"]}, {how["cores"]} cores, {how["device"]}, base model
        {how["base"]}, {how["precision"]}. `shared` is made once for all subjects of a class. `weights`
        grow with the base model; a link to another file counts nothing."""
    )
    yield "| stage | role | seconds | UNet samples | bytes | weights | files | shared |"
    yield "|---|---|--:|--:|--:|--:|--:|---|"
    for cost in costs:
        yield (
            f"| {cost.stage} | {cost.role} | {cost.wall_s:.1f} | {cost.unet_evals:,} | {_size(cost.bytes)} "
            f"| {_size(cost.weights_bytes)} | {cost.files} | {'yes' if cost.of_class else ''} |"
        )
    yield ""


def _server(calls: Sequence[Call], load: Load) -> Iterator[str]:
    seconds = {call.turn: call.wall_s for call in calls}
    yield "## What the Prefect server sees of one run\n"
    yield _paragraph(
        f"""Counted in the process of a run that built everything in {seconds["built"]:.0f} s, and of the same
        run again, which found all of it in {seconds["again"]:.1f} s, both as if people watched. The straight
        line through both is {load.per_run:.0f} for every run and {load.per_s:.2f} for each second of work,
        {load.progress_per_s:.2f} of these for progress, with every update of which Prefect sends an event.
        It is what the simulation uses."""
    )
    for kind, title in ((REQUEST, "request"), (EVENT, "event, sent through the websocket")):
        yield f"| {title} | built | again |\n|---|--:|--:|"
        yield from _call_rows([call for call in calls if call.kind == kind])
        yield ""


def _call_rows(calls: Sequence[Call]) -> Iterator[str]:
    counts = {(call.name, call.turn): call.count for call in calls}
    names = {call.name for call in calls}

    def row(name: str) -> tuple[int, ...]:
        return tuple(counts.get((name, turn), 0) for turn in TURNS)

    for name in sorted(names, key=lambda name: (-row(name)[0], name)):
        yield f"| `{name}` | {row(name)[0]} | {row(name)[1]} |"


def _assumed() -> Iterator[str]:
    yield "## What was not measured\n"
    yield "| figure | value | unit | source |\n|---|--:|---|---|"
    yield f"| {A100.name}: samples through the UNet | {A100.unet_per_s} | 1/s | {A100.source} |"
    yield from (f"| {one.name} | {one.value:,.10g} | {one.unit} | {one.source} |" for one in ASSUMED)
    yield ""


def _engines(path: Path) -> Iterator[str]:
    yield "## A killed worker costs its task\n"
    yield _paragraph(
        """A run on two workers of a local cluster, one of them killed (SIGKILL) in every stage that is
        divided, in the middle of its shard; and a batch of three subjects, side by side on two workers, one
        of them killed while it draws pictures. Every command ends well, and every file of every artifact is
        compared with those of the same command without an engine. `python -m benchmarks.engines` does it."""
    )
    if not path.is_file():
        yield "Not measured yet.\n"
        return
    titles = ("engine", "command", "worker killed in", "batches finished by then", "done again")
    yield f"| {' | '.join(titles)} | files compared | differing |"
    yield "|---|---|---|--:|--:|--:|--:|"
    for row in pq.read_table(path).to_pylist():
        names = ("engine", "command", "stage", "kept", "again", "compared", "differing")
        yield "| " + " | ".join(str(row[name]) for name in names) + " |"
    yield ""


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.3g} TB"


if __name__ == "__main__":
    main()
