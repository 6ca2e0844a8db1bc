"""The plot and the sheet of a campaign: numbered as its table is, and of a bounded size."""

from pathlib import Path

from moongate.artifacts.store import Store
from moongate.campaign.pictures import NAMED, fidelity_plot
from moongate.campaign.recommendation import pareto_front
from moongate.campaign.samples import ROWS_SHOWN, samples_sheet
from moongate.config import GateConfig
from moongate.report.curves import as_png
from moongate.report.sheets import GAP, SMALLEST_CELL
from tests.campaign.outcome_material import outcome
from tests.index_material import run_id, shown_run

GATE = GateConfig()


def test_every_run_has_its_number_in_the_plot_and_its_name_beside_it() -> None:
    settings = [f"train.steps={n} train.rank=4" for n in (1, 2, 3)]
    runs = [outcome(name, 0.8, 0.9 + n / 1000, "good") for n, name in enumerate(settings)]
    figure = fidelity_plot([outcome("train.steps=0 train.rank=4", None, None, ""), *runs], runs[0], GATE)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["2", "3", "4"]
    (legend,) = figure.legends
    names = [text.get_text().split() for text in legend.get_texts()]
    assert names == [["2", "steps=1"], ["3", "steps=2"], ["4", "steps=3"]]
    as_png(figure)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)


def test_the_front_is_told_by_shape_and_intervals_are_drawn() -> None:
    runs = [
        outcome("a", 0.8, 0.9, "good", fidelity_low=0.7, fidelity_high=0.85),
        outcome("b", 0.5, 0.5, "underfit"),
    ]
    (axes,) = fidelity_plot(runs, None, GATE, pareto_front(runs)).axes
    shapes = {str(line.get_marker()): len(line.get_xydata()) for line in axes.lines}
    assert (shapes["D"], shapes["o"]) == (1, 1)
    assert [0.7, 0.85] in [list(line.get_xdata()) for line in axes.lines]


def test_of_very_many_runs_only_some_are_named_and_the_plot_says_so() -> None:
    runs = [outcome(f"s{n}", n / 300, (n * 7 % 300) / 300, "good", overrides="") for n in range(300)]
    figure = fidelity_plot(runs, None, GATE)
    assert len(figure.axes[0].texts) == NAMED
    (legend,) = figure.legends
    assert legend.get_title().get_text() == f"{NAMED} of 300 runs"


def test_a_sheet_of_very_many_runs_has_a_bounded_number_of_rows(tmp_path: Path) -> None:
    store = Store(tmp_path)
    shown_run(store, 1)
    runs = [outcome(f"s{n}", 0.5, 0.5, "good", overrides="", run_id=run_id(1)) for n in range(200)]
    sheet = samples_sheet(store, runs, None, GATE)
    assert sheet is not None
    assert (ROWS_SHOWN - 1) * (SMALLEST_CELL + GAP) < sheet.height < (ROWS_SHOWN + 2) * (SMALLEST_CELL + GAP)
