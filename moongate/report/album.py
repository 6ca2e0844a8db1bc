"""Which contact sheets a run gets as PNG files."""

from collections.abc import Sequence
from dataclasses import dataclass

from moongate.report.evidence import Evidence, InversionResult, Shot, SubjectPicture
from moongate.report.galleries import method_name
from moongate.report.numbers import decibels
from moongate.report.sheets import Cell


@dataclass(frozen=True)
class Sheet:
    """A contact sheet before it is laid out. `name` is its file name without ending."""

    name: str
    title: str
    cells: tuple[Cell, ...]


def sheets_of(evidence: Evidence) -> tuple[Sheet, ...]:
    """The contact sheets of a run, without those that would be empty."""
    run = evidence.run
    name = f"{run.identifier} {run.class_noun}"
    sheets = (
        Sheet("training", f"{run.subject}: training pictures", _subject_cells(evidence.training)),
        Sheet("holdout", f"{run.subject}: held-out pictures", _subject_cells(evidence.holdout)),
        Sheet("samples_tuned", f"{name}: tuned model", _shot_cells(evidence.drawn("tuned"))),
        Sheet("samples_base", f"{run.class_noun}: base model", _shot_cells(evidence.drawn("base"))),
        Sheet("class_base", f"{run.class_prompt}: base model", _shot_cells(evidence.class_pictures("base"))),
        Sheet(
            "class_tuned", f"{run.class_prompt}: tuned model", _shot_cells(evidence.class_pictures("tuned"))
        ),
        Sheet("from_inversions", f"{name}: inverted latents", _shot_cells(evidence.from_inversions("tuned"))),
        Sheet("inversions", "Evaluation images, inverted and redrawn", _inversion_cells(evidence.inversions)),
    )
    return tuple(sheet for sheet in sheets if sheet.cells)


def _subject_cells(pictures: Sequence[SubjectPicture]) -> tuple[Cell, ...]:
    return tuple(Cell(picture.png, picture.text) for picture in pictures)


def _shot_cells(shots: Sequence[Shot]) -> tuple[Cell, ...]:
    return tuple(Cell(shot.png, f"{shot.prompt}, seed {shot.seed}") for shot in shots)


def _inversion_cells(results: Sequence[InversionResult]) -> tuple[Cell, ...]:
    return tuple(
        Cell(row.reconstruction, f"{row.model}, {method_name(row.method)}, {decibels(row.psnr_db)}")
        for row in results
    )
