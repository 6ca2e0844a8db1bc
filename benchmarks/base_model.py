"""The bundled base model: its autoencoder, its judges on real renders, and what it draws of unseen prompts.

python -m benchmarks.base_model
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.figures import Figure, Record, Unit
from benchmarks.grids import by_metric, target_grid
from benchmarks.launching import (
    FIGURES_FOLDER,
    Output,
    Stopwatch,
    StoreFolder,
    command_line,
    launch,
    provenance,
    results_screen,
    saved,
    shown,
)
from moongate.config import BaseConfig
from moongate.metrics.bootstrap import bootstrap_generator, percentile_bootstrap
from moongate.models.source import bundled_folder, resolve_base
from moongate.progress import Progress

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

    from moongate.toybox.pretraining.renders import RenderedSet

NAME = "base_model"
PICTURES, PROMPTS = 500, 1_000
COLUMNS = {"measured": "measured"}
DRAWS, CONFIDENCE = 1_000, 0.95
ATTRIBUTES = ("object", "colour", "scene")
VAE_TARGET_DB, JUDGE_TARGET = 30.0, 0.99
DRAWN_TARGETS = {"object": 0.95, "colour": 0.90, "scene": 0.95}


class Precision(StrEnum):
    """Arithmetic inside the UNet."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def main(
    pictures: Annotated[int, typer.Option(min=2, help="Held-out renders for the autoencoder.")] = PICTURES,
    prompts: Annotated[
        int, typer.Option(min=2, help="Held-out prompts to draw; as many renders are judged.")
    ] = PROMPTS,
    precision: Annotated[Precision, typer.Option(help="Arithmetic inside the UNet.")] = Precision.bfloat16,
    store: StoreFolder = Path("store"),
    output: Output = FIGURES_FOLDER,
) -> None:
    """Measure the bundled base model on renders and captions that it was never trained on.

    It takes about 15 minutes on two cores.

    Example: python -m benchmarks.base_model --prompts 100 --pictures 100
    """
    watch = Stopwatch()
    config = BaseConfig.model_validate({"precision": precision.value})
    with shown() as progress:
        figures = measured(config, pictures, prompts, store / "renders", progress)
    options = [
        ("--pictures", pictures, PICTURES),
        ("--prompts", prompts, PROMPTS),
        ("--precision", precision.value, Precision.bfloat16.value),
    ]
    how = provenance(command_line(NAME, options), resolve_base(config), config, watch.seconds)
    path = saved(Record(figures, how), output, NAME)
    screen = results_screen()
    screen.print(by_metric(figures, COLUMNS, "figure").terminal("The bundled base model"), "")
    screen.print(target_grid(figures, COLUMNS).terminal("Targets"))
    typer.echo(path)


def measured(
    config: BaseConfig, pictures: int, prompts: int, renders: Path, progress: Progress
) -> tuple[Figure, ...]:
    """Measure everything; renders are kept in the folder `renders`."""
    from moongate.models.base import load_model
    from moongate.models.devices import resolve_device
    from moongate.toybox.judges import Judges
    from moongate.toybox.pretraining import figures as parts
    from moongate.toybox.pretraining.config import PretrainConfig
    from moongate.toybox.pretraining.held_out import HELD_OUT_FROM, held_out_prompts
    from moongate.toybox.pretraining.renders import vocabulary_set

    bundle, defaults = bundled_folder(), PretrainConfig()
    held_out = vocabulary_set(range(HELD_OUT_FROM, HELD_OUT_FROM + max(pictures, prompts)), renders, progress)
    captions, things = min(parts.RETRIEVAL_SIZE, len(held_out)), defaults.identity.batch_size
    model = load_model(resolve_base(config), resolve_device(config.device), config.precision)
    judges, specs = Judges.load(bundle / "judges"), held_out_prompts(prompts, defaults.pictures, progress)
    on_renders = parts.judge_pictures(judges, held_out.images[:prompts], held_out.specs[:prompts])
    on_samples = parts.judge_pictures(judges, parts.draw(model, specs, defaults.seed, progress), specs)
    return (
        vae_figure(_psnr_of_each(model.vae, held_out, pictures, progress)),
        *judge_figures(on_renders, prompts),
        *drawn_figures(on_samples, prompts),
        *retrieval_figures(
            Retrieval(parts.clip_retrieval(bundle / "clip", held_out, captions), captions),
            Retrieval(parts.identity_retrieval(bundle / "identity", things), 2 * things - 1),
        ),
    )


def vae_figure(psnr_db: Sequence[float]) -> Figure:
    """Return the autoencoder's mean PSNR over pictures, each in dB."""
    label = "Autoencoder, PSNR of held-out renders"
    return figure("vae_psnr", label, np.array(psnr_db), "dB").aimed("at least", VAE_TARGET_DB)


def judge_figures(shares: Sequence[float], n: int) -> tuple[Figure, ...]:
    """Return how often the judges are right on n renders, whose truth is known."""
    found = []
    for name, share in zip(ATTRIBUTES, shares, strict=True):
        label = f"Judge of the {name}, right on held-out renders"
        judged = figure(f"judge_{name}", label, outcomes(share, n), "share")
        found.append(judged.aimed("at least", JUDGE_TARGET))
    return tuple(found)


def drawn_figures(shares: Sequence[float], n: int) -> tuple[Figure, ...]:
    """Return how often the judges see in n drawn pictures what the prompt asked for."""
    found = []
    for name, share in zip(ATTRIBUTES, shares, strict=True):
        label = f"Drawn {name}, as the prompt asks"
        judged = figure(f"drawn_{name}", label, outcomes(share, n), "share")
        found.append(judged.aimed("at least", DRAWN_TARGETS[name]))
    return tuple(found)


@dataclass(frozen=True)
class Retrieval:
    """How often the right one of `candidates` was the nearest, 0..1."""

    share: float
    candidates: int


def retrieval_figures(clip: Retrieval, identity: Retrieval) -> tuple[Figure, ...]:
    """Return what the bundled extractors recognise; nothing was promised of them."""
    caption = f"CLIP: picture to its caption, 1 of {clip.candidates}"
    elsewhere = f"Identity: the same thing elsewhere, 1 of {identity.candidates}"
    return (
        Figure("clip_retrieval", caption, "measured", clip.share, "share"),
        Figure("identity_retrieval", elsewhere, "measured", identity.share, "share"),
    )


def figure(metric: str, label: str, values: NDArray[np.float64], unit: Unit) -> Figure:
    """Return the mean of `values` (n,) with its bootstrap interval over pictures."""
    interval = percentile_bootstrap(
        values, draws=DRAWS, confidence=CONFIDENCE, generator=bootstrap_generator(0, metric)
    )
    return Figure(
        metric=metric,
        label=label,
        column="measured",
        value=float(values.mean()),
        unit=unit,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=len(values),
        num_units=len(values),
    )


def outcomes(share: float, n: int) -> NDArray[np.float64]:
    """Return n single outcomes, 1 or 0, of which `share` were right; their order means nothing."""
    return (np.arange(n) < round(share * n)).astype(np.float64)


def _psnr_of_each(
    vae: "AutoencoderKL", held_out: "RenderedSet", count: int, progress: Progress
) -> list[float]:
    from moongate.toybox.pretraining.autoencoder import reconstruction_psnr
    from moongate.toybox.pretraining.renders import RenderedSet

    found = []
    with progress.track("reconstruct", count) as advance:
        for row in range(count):
            one = RenderedSet(held_out.specs[row : row + 1], held_out.images[row : row + 1])
            found.append(reconstruction_psnr(vae, one))
            advance(1)
    return found


if __name__ == "__main__":
    launch(main)
