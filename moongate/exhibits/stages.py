"""What each stage shows of its artifact. Nothing here loads a model, so a cached stage shows the same."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from moongate.exhibits.kinds import Exhibit, Picture, Table, Words
from moongate.exhibits.light import light_picture
from moongate.imagefolder.verdicts import printable
from moongate.markdown import escaped, table
from moongate.metrics.rows import ModelRole, SummaryRow
from moongate.report.cells import inversion_cells, shot_cells, subject_cells
from moongate.report.drawings import curve_png
from moongate.report.evidence import InversionResult, Shot
from moongate.report.glossary import guide_for, variant_of
from moongate.report.numbers import decimal
from moongate.report.reading import (
    read_inversions,
    read_scores,
    read_shots,
    read_subject_pictures,
    read_training,
)
from moongate.report.sheets import Cell, contact_sheet

CELLS = 48
COLUMNS = 8
FILES_SHOWN = 50
# The tuned model stands between its bounds.
COLUMN_TITLES: dict[ModelRole, str] = {"base": "base model", "tuned": "tuned model", "real": "real pictures"}
_FIRST_SHOWN = {"rejected": 0, "accepted": 1, "companion": 2, "ignored": 3}


def of_inputs(role: str, folder: Path) -> Iterator[Exhibit]:
    """Yield what became of every offered file, and the accepted pictures."""
    rows = pq.read_table(folder / "inputs.parquet").to_pylist()
    accepted = sum(row["verdict"] == "accepted" for row in rows)
    headline = f"{accepted} of {len(rows)} offered files accepted as {role} pictures"
    yield Words(f"ingest-{role}", headline, f"**{escaped(headline)}**\n\n{_file_table(rows)}")
    yield from of_pictures(role, folder)


def of_pictures(role: str, folder: Path) -> Iterator[Exhibit]:
    """Yield the first pictures of an image set as one sheet."""
    pictures = read_subject_pictures(folder)
    caption = f"{_some(len(pictures), 'pictures')}: {role}"
    yield from _sheet(f"pictures-{role}", caption, subject_cells(pictures[:CELLS]), COLUMNS)


def of_training(runs: Path, folder: Path) -> Iterator[Exhibit]:
    """Yield the curve by which a step was kept; without held-out pictures, that of the training loss.

    Args:
        runs: the folder of all runs, one of which may keep the curve.
        folder: the adapter's, named by its digest.
    """
    fit = read_training(folder)
    if fit.validation:
        caption = f"Held-out loss by step; step {fit.chosen_step} was kept: {fit.reason}"
        yield Picture("validation", caption, curve_png(runs, folder.name, "validation", fit), "image/png")
    elif fit.steps:
        curve = curve_png(runs, folder.name, "loss", fit)
        yield Picture("training-loss", "Training loss by step", curve, "image/png")


def of_inversions(role: str, folder: Path) -> Iterator[Exhibit]:
    """Yield originals, the autoencoder's limit and what each method gave, a picture a row."""
    by_image: dict[str, list[InversionResult]] = defaultdict(list)
    for result in read_inversions([folder]):
        by_image[result.image_id].append(result)
    width = 2 + max((len(found) for found in by_image.values()), default=0)
    shown = list(by_image.values())[: CELLS // width]
    cells = [cell for found in shown for cell in _inversion_row(found)]
    caption = f"{_some(len(by_image), 'evaluation pictures', len(shown))}, inverted by the {role} model"
    yield from _sheet(f"inversions-{role}", caption, cells, width)


def of_samples(role: str, folder: Path) -> Iterator[Exhibit]:
    """Yield drawn pictures as one sheet: as many seeds of every prompt as there is room for."""
    drawn = read_shots([folder])
    shown, seeds = _spread(drawn)
    columns = seeds * max(1, COLUMNS // seeds) if seeds <= COLUMNS else COLUMNS
    caption = f"{_some(len(drawn), 'pictures', len(shown))}, drawn by the {role} model"
    yield from _sheet(f"samples-{role}", caption, shot_cells(shown), columns)


def of_metrics(folder: Path) -> Iterator[Exhibit]:
    """Yield every metric of the tuned model between its bounds: the base model and real pictures."""
    by_metric: dict[str, dict[ModelRole, SummaryRow]] = defaultdict(dict)
    for score in read_scores(folder):
        by_metric[score.metric][score.model] = score
    rows = tuple(_metric_row(metric, found) for metric, found in by_metric.items())
    yield Table("metrics", "Every metric with its interval and its bounds", rows)


def _file_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the first files as a table, those that need attention before the others."""
    ordered = sorted(rows, key=lambda row: (_FIRST_SHOWN.get(row["verdict"], 9), not row["notes"]))
    cells = [
        (printable(row["file_name"]), row["verdict"], _size(row), printable(row["text"] or ""), _remark(row))
        for row in ordered[:FILES_SHOWN]
    ]
    if len(rows) > FILES_SHOWN:
        cells.append((f"and {len(rows) - FILES_SHOWN:,} more", "", "", "", ""))
    return table(("file", "verdict", "size", "caption", "remarks"), cells)


def _size(row: dict[str, Any]) -> str:
    return f"{row['width']} × {row['height']}" if row["width"] else ""


def _remark(row: dict[str, Any]) -> str:
    return printable("; ".join(filter(None, (row["reason"], row["notes"], row["treatments"]))))


def _some(total: int, what: str, shown: int | None = None) -> str:
    """Return `16 pictures`, or `48 of 100 pictures` when that is what is shown."""
    count = min(total, CELLS) if shown is None else shown
    return f"{total:,} {what}" if count == total else f"{count:,} of {total:,} {what}"


def _sheet(name: str, caption: str, cells: Sequence[Cell], columns: int) -> Iterator[Exhibit]:
    if cells:
        yield light_picture(name, caption, contact_sheet(caption, cells, columns))


def _inversion_row(found: Sequence[InversionResult]) -> Iterator[Cell]:
    first = found[0]
    yield Cell(first.original, f"original {first.image_id}")
    yield Cell(first.floor, "autoencoder alone")
    yield from inversion_cells(found)


def _spread(drawn: Sequence[Shot]) -> tuple[list[Shot], int]:
    """Return the pictures to show, by prompt, and how many seeds of a prompt are among them."""
    by_prompt: dict[str, list[Shot]] = defaultdict(list)
    for shot in drawn:
        by_prompt[shot.prompt_id].append(shot)
    most = max((len(shots) for shots in by_prompt.values()), default=1)
    seeds = min(most, max(1, CELLS // max(1, len(by_prompt))))
    shown = [
        shot for shots in by_prompt.values() for shot in sorted(shots, key=lambda shot: shot.seed)[:seeds]
    ]
    return shown[:CELLS], seeds


def _metric_row(metric: str, found: dict[ModelRole, SummaryRow]) -> dict[str, str]:
    guide, any_score = guide_for(metric), next(iter(found.values()))
    values = {title: _value(found.get(model), guide.places) for model, title in COLUMN_TITLES.items()}
    better = {"better": any_score.direction, "extractor": variant_of(metric)}
    label = f"Inversion: {guide.label}" if guide.section == "inversion" else guide.label
    return {"metric": label, **values, **better}


def _value(score: SummaryRow | None, places: int) -> str:
    if score is None:
        return ""
    if score.value is None:
        return score.status.replace("_", " ")
    if score.low is None or score.high is None:
        return decimal(score.value, places)
    return f"{decimal(score.value, places)} [{decimal(score.low, places)}, {decimal(score.high, places)}]"
