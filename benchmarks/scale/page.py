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
    SERVER_RATE,
    STORE_RATE,
    SUBJECTS,
)
from benchmarks.scale.costs import StageCost, read_costs
from benchmarks.scale.night import Night, Shared, Step, fewest_devices, simulate
from benchmarks.scale.plan import Demand, chain_here, chain_on_gpu, demand, most_subjects

PAGE = Path("docs/scale.md")
NOT_MEASURED = "Not measured yet: `python -m benchmarks.scale --store FOLDER`.\n"
HOUR_S = 3600.0
MOST_DEVICES = 4096
PLAIN = Shared(STORE_RATE.value, SERVER_RATE.value)
FAST = Shared(FAST_STORE_RATE.value, SERVER_RATE.value)
COPIES = {"with the exported model": 2, "adapter only": 1}


@dataclass(frozen=True)
class Scenario:
    """A chain, and the smallest night of all subjects that ends in time."""

    name: str
    chain: tuple[Step, ...]
    demand: Demand
    shared: Shared

    @cached_property
    def devices(self) -> int | None:
        """How many devices it takes."""
        return fewest_devices(self._night, _night_s(), MOST_DEVICES)

    @cached_property
    def night(self) -> Night:
        """The night with as many devices, or with the most that are tried."""
        return self._night(self.devices or MOST_DEVICES)

    def _night(self, devices: int) -> Night:
        return simulate(self.chain, int(SUBJECTS.value), int(CLASSES.value), devices, self.shared)


def page(folder: Path) -> str:
    """Return the page that the Parquet files in `folder` make."""
    head = "# Ten thousand subjects a night\n\n" + _paragraph(
        """Written by `python -m benchmarks.scale.page` from `docs/figures/scale_*.parquet` and the
        assumptions in `benchmarks/scale/assumptions.py`; do not edit."""
    )
    if not (folder / "scale_costs.parquet").is_file():
        return f"{head}\n{NOT_MEASURED}"
    costs, how = read_costs(folder / "scale_costs.parquet")
    calls = pq.read_table(folder / "scale_calls.parquet").to_pylist()
    parts = [
        *_answer(scenarios(costs, _per_run(calls))),
        *_measured(costs, how),
        *_server(calls),
        *_assumed(),
        *_engines(folder / "engines.parquet"),
    ]
    return "\n".join([head, *parts])


def scenarios(costs: Sequence[StageCost], calls: float) -> list[Scenario]:
    """Return the chain as it was measured, and on a GPU with and without the exported model."""

    def scenario(name: str, chain: Sequence[Step], shared: Shared) -> Scenario:
        return Scenario(name, tuple(chain), demand(chain, costs, int(SUBJECTS.value)), shared)

    found = [scenario("toybox, as measured on this CPU", chain_here(costs, calls), PLAIN)]
    for words, copies in COPIES.items():
        name = f"Stable Diffusion 1.5 on {A100.name}, {words}"
        chain = chain_on_gpu(costs, calls, copies)
        found += [scenario(name, chain, PLAIN), scenario(f"{name}, fast store", chain, FAST)]
    return found


def main() -> None:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(FIGURES_FOLDER), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page(FIGURES_FOLDER):
        sys.exit(f"{PAGE} is stale: python -m benchmarks.scale.page")


def _answer(found: Sequence[Scenario]) -> Iterator[str]:
    yield "## How many devices, and what limits first\n"
    yield _paragraph(
        f"""{SUBJECTS.value:,.0f} subjects in {NIGHT_HOURS.value:.0f} hours, as members of one
        `moongate batch --engine ray` (or dask): a worker takes one subject after the other and holds its
        device for the whole chain. The simulation goes event by event; the store and the Prefect server serve
        one request at a time, in the order in which they come."""
    )
    yield _conclusion(found[2], found[4])
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
        f"""With Stable Diffusion 1.5 on {A100.name} it takes {exported.devices} devices, or
        {adapter.devices} when runs keep the adapter only. The store limits first: it has to take
        {_size(rates[0])} a second without a break, or {_size(rates[1])}, nearly all of it float32 weights.
        With a slower one no number of devices is enough, and the thing to do is to keep fewer weights: no
        exported model, half precision, or a low-rank method."""
    )


def _night_row(one: Scenario) -> str:
    night = one.night
    hours = f"{night.seconds / HOUR_S:.1f}"
    if one.devices is None:
        count, hours = f"more than {MOST_DEVICES:,} ({hours} h with those)", "-"
    else:
        count = f"{one.devices:,}"
    shares = (night.device_share, night.store_share, night.server_share)
    cells = " | ".join(f"{share:.0%}" for share in shares)
    return f"| {one.name} | {count} | {hours} | {cells} |"


def _limit_row(one: Scenario) -> str:
    allowed = most_subjects(one.demand, one.shared, one.devices or MOST_DEVICES, _night_s())
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
    yield f"```bash\n.venv/bin/moongate run\n.venv/bin/{how['command']}\n```\n"
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


def _server(calls: Sequence[dict[str, object]]) -> Iterator[str]:
    yield "## What the Prefect server sees of one run\n"
    yield _paragraph(
        """Counted in the process of a run of 18 stage instances whose artifacts were all in the store."""
    )
    for kind, title in (("request", "request"), ("event", "sent through the websocket")):
        found = sorted((row for row in calls if row["kind"] == kind), key=lambda row: -int(str(row["count"])))
        if found:
            yield f"| {title} | count |\n|---|--:|"
            yield from (f"| `{row['name']}` | {row['count']} |" for row in found)
            yield ""


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
        divided, in the middle of its shard; then every file of every artifact is compared with those of the
        same run without an engine. `python -m benchmarks.engines` does it."""
    )
    if not path.is_file():
        yield "Not measured yet.\n"
        return
    yield "| engine | worker killed in | batches finished by then | done again | files compared | differing |"
    yield "|---|---|--:|--:|--:|--:|"
    for row in pq.read_table(path).to_pylist():
        names = ("engine", "stage", "kept", "again", "compared", "differing")
        yield "| " + " | ".join(str(row[name]) for name in names) + " |"
    yield ""


def _per_run(calls: Sequence[dict[str, object]]) -> float:
    return float(sum(int(str(row["count"])) for row in calls if row["kind"] in ("request", "event")))


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.3g} TB"


if __name__ == "__main__":
    main()
