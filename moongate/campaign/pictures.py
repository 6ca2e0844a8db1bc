"""What a campaign looks like: both fidelities of every run against each other, and samples side by side."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from moongate.artifacts.refs import SampleSetRef
from moongate.artifacts.store import Store
from moongate.campaign.outcomes import Outcome
from moongate.config import GateConfig
from moongate.report.curves import PALETTE, blank_axes
from moongate.report.evidence import Shot
from moongate.report.reading import read_shots
from moongate.report.sheets import Cell
from moongate.runs import RunRecord

PROMPTS_SHOWN = 8


def fidelity_plot(
    outcomes: Sequence[Outcome], chosen: Outcome | None, gate: GateConfig, front: Sequence[Outcome] = ()
) -> Figure:
    """Subject fidelity across, prompt fidelity up, a point a run; the Pareto front is drawn as steps.

    The gate's marks are dotted; what is good lies up and to the right of both. `chosen` is ringed.
    """
    figure, axes = blank_axes("subject fidelity (of the way to real pictures)", "prompt fidelity kept")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.axvline(gate.min_fidelity, color=PALETTE.faint, linewidth=1, linestyle=":")
    axes.axhline(gate.min_prompt_fidelity, color=PALETTE.faint, linewidth=1, linestyle=":")
    corners = [one.fidelities for one in front if one.fidelities is not None]
    across, up = [point[0] for point in corners], [point[1] for point in corners]
    axes.step(across, up, where="pre", color=PALETTE.tuned, linewidth=1.2, alpha=0.6)
    for one in outcomes:
        if (at := one.fidelities) is None:
            continue
        axes.plot(*at, "o", markersize=5, color=PALETTE.tuned if one in front else PALETTE.base)
        axes.annotate(
            one.name, at, xytext=(5, 4), textcoords="offset points", fontsize=6.5, color=PALETTE.faint
        )
        if chosen is not None and one.name == chosen.name:
            axes.plot(*at, "o", markersize=11, mfc="none", mec=PALETTE.ink, mew=1.4)
    return figure


def sample_cells(store: Store, name: str, run: RunRecord) -> tuple[Cell, ...]:
    """Return the row of samples of a run: its first prompts, each with its first drawn seed.

    Raises:
        StoreError: when they are no longer in the store.
    """
    return tuple(Cell(shot.png, f"{name}: {shot.prompt}") for shot in _first_shots(store, run))


def _first_shots(store: Store, run: RunRecord) -> Iterator[Shot]:
    for entry in run.current():
        if (entry.stage, entry.role) == ("sample", "tuned"):
            firsts: dict[str, Shot] = {}
            # A prompt's pictures come by rising seed, without those that were lost.
            for shot in read_shots([store.folder(SampleSetRef(entry.digest))]):
                firsts.setdefault(shot.prompt_id, shot)
            yield from list(firsts.values())[:PROMPTS_SHOWN]
