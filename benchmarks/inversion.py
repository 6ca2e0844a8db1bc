"""DDIM inversion of the evaluation pictures against the autoencoder's own limit, and replayed exactly.

python -m benchmarks.inversion
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.figures import Figure, Record
from benchmarks.grids import Grid, by_metric, number, target_grid
from benchmarks.launching import (
    FIGURES_FOLDER,
    Output,
    Set,
    Stopwatch,
    StoreFolder,
    command_line,
    launch,
    provenance,
    results_screen,
    saved,
    shown,
)
from benchmarks.replay import Replay, replay_all
from flows.ingredients import Ingredients
from moongate.artifacts.refs import AdapterRef, InversionsRef
from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.diffusion.schedule import NoiseSchedule
from moongate.errors import InputError
from moongate.evaluation.inversions import inversion_scores
from moongate.evaluation.summaries import Resampling, summarise
from moongate.metrics.rows import ModelRole, SummaryRow
from moongate.models.base import read_scheduler_config
from moongate.models.source import BaseSource, resolve_base
from moongate.overrides import load_config
from moongate.progress import Progress
from moongate.report.glossary import guide_for
from moongate.runs import load_run

NAME = "inversion"
SETTINGS = ("invert.steps=50", "invert.num_images=0")
REPLAY = "replay"
REPLAY_EVERY, REPLAYED_ALL = 10, 100
MODELS = {"base": "base model", "tuned": "tuned model"}
COLUMNS = MODELS | {REPLAY: "replayed"}
PLAIN_TARGET_DB, REFINED_TARGET_DB, REPLAY_TARGET = 1.5, 0.1, 1e-5
TARGETS = {"inversion_gap_db.plain": PLAIN_TARGET_DB, "inversion_gap_db.fixed_point": REFINED_TARGET_DB}


def main(
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Also invert under the model that this run tuned; `last` works."),
    ] = None,
    replay_every: Annotated[
        int, typer.Option(min=1, help="Replay 1 to 100 steps, and of more steps every so many; 1 = all.")
    ] = REPLAY_EVERY,
    set_: Set = None,
    store: StoreFolder = Path("store"),
    output: Output = FIGURES_FOLDER,
) -> None:
    """Invert the 100 evaluation pictures in 50 steps, draw them again, and say what was lost.

    Plain and refined, in dB below the autoencoder's own round trip; then, with recorded noise predictions in
    place of the network, the error of the arithmetic alone. It takes about 15 minutes on two cores.

    Example: python -m benchmarks.inversion --replay-every 50 --set base.precision=float32
    """
    watch, overrides = Stopwatch(), tuple(set_ or ())
    config = load_config(None, [*SETTINGS, *overrides])
    base = resolve_base(config.base)
    kept = Store(store)
    adapter = None if run is None else adapter_of(kept, run)
    with shown() as progress:
        figures = (
            *inverted(config, base, None, kept, progress),
            *(inverted(config, base, adapter, kept, progress) if adapter else ()),
            *replayed(base, replay_every, progress),
        )
    options = [("--run", run, None), ("--replay-every", replay_every, REPLAY_EVERY), ("--set", overrides, ())]
    how = provenance(command_line(NAME, options), base, config.base, watch.seconds)
    path = saved(Record(figures, how), output, NAME)
    show(figures)
    typer.echo(path)


def adapter_of(store: Store, run: str) -> AdapterRef:
    """Return what a run tuned.

    Raises:
        InputError: when there is no such run, or it did not come to its training.
    """
    record = load_run(store.root, run)
    for entry in record.current():
        if entry.stage == "train":
            return AdapterRef(entry.digest)
    raise InputError(
        f"run {record.run_id} has tuned nothing",
        where="--run",
        why=f"it is {record.status}, and no training is among its stages",
        fix="name a run that came to its end; `moongate runs` lists them",
    )


def inverted(
    config: RunConfig, base: BaseSource, adapter: AdapterRef | None, store: Store, progress: Progress
) -> tuple[Figure, ...]:
    """Invert the evaluation pictures under the base model, or under a tuned one, and summarise."""
    from benchmarks.performing import Direct
    from moongate.stages.context import StageContext
    from tasks.cache import cache
    from tasks.ingest import ingest
    from tasks.invert import invert

    perform = Direct(StageContext(store, progress, config.base.device))
    given = Ingredients(config, base)
    pictures = perform(ingest, "evaluation", *given.captioned_folder(config.ingest.evaluation_folder))
    latents = perform(cache, "evaluation", *given.captioned(pictures))
    inversions = perform(invert, "benchmark", *given.inversion(pictures, latents, adapter))
    return summarised(store, inversions, "tuned" if adapter else "base", config)


def summarised(
    store: Store, inversions: InversionsRef, role: ModelRole, config: RunConfig
) -> tuple[Figure, ...]:
    """Return the means over pictures, each with its interval and, under the base model, its target."""
    how = Resampling(config.evaluate.bootstrap_draws, config.evaluate.confidence, seed=0)
    rows = (summarise(scores, how) for scores in inversion_scores(store.folder(inversions), role))
    return tuple(figure_of(row) for row in rows)


def figure_of(row: SummaryRow) -> Figure:
    """Return one summary row as a figure."""
    guide = guide_for(row.metric)
    found = Figure(
        metric=row.metric,
        label=guide.label.removesuffix(" in dB"),
        column=row.model,
        value=row.value,
        unit="score" if "ssim" in row.metric else "dB",
        low=row.low,
        high=row.high,
        n=row.n,
        num_units=row.num_units,
        status=row.status,
    )
    target = TARGETS.get(row.metric) if row.model == "base" else None
    return found if target is None else found.aimed("at most", target)


def replayed(base: BaseSource, every: int, progress: Progress) -> Iterator[Figure]:
    """Yield the exactness of the arithmetic for each kind of schedule, on the base model's noise levels."""
    schedule = NoiseSchedule.from_config(read_scheduler_config(base))
    counts = step_counts(schedule.num_train_timesteps, every)
    yield from (replay_figure(found) for found in replay_all(schedule, counts, progress))


def step_counts(most: int, every: int) -> tuple[int, ...]:
    """Return the step counts to replay: all up to 100, then every so many, and `most`."""
    return tuple(sorted({*range(1, min(most, REPLAYED_ALL) + 1), *range(REPLAYED_ALL, most, every), most}))


def replay_figure(found: Replay) -> Figure:
    """Return the greatest error of one kind of schedule."""
    kind = f"{found.spacing} spacing, {found.prediction_type}"
    return Figure(
        metric=f"replay.{found.spacing}.{found.prediction_type}",
        label=f"Replay error, {kind}, greatest at {found.worst_steps} steps",
        column=REPLAY,
        value=found.worst,
        unit="error",
        group=kind,
        n=found.tried,
        num_units=found.tried,
        status="ok" if found.worst is not None else "no step count is allowed",
    ).aimed("at most", REPLAY_TARGET)


def replay_grid(figures: Sequence[Figure]) -> Grid:
    """Return one row for each kind of schedule."""
    rows = tuple((one.label, number(one), f"{one.n:,}") for one in figures if one.column == REPLAY)
    return Grid(("recorded noise predictions", "absolute error", "step counts tried"), rows)


def show(figures: Sequence[Figure]) -> None:
    """Print what was lost, the replay, and the targets."""
    screen = results_screen()
    pictures = [figure for figure in figures if figure.column in MODELS]
    screen.print(by_metric(pictures, MODELS, "evaluation pictures").terminal("Inversion"), "")
    screen.print(replay_grid(figures).terminal("Replay"), "")
    screen.print(target_grid(figures, COLUMNS).terminal("Targets"))


if __name__ == "__main__":
    launch(main)
