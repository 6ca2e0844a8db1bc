"""Pictures of a run as cells of a contact sheet, each with the label that tells it from the others."""

from collections.abc import Sequence

from moongate.report.evidence import InversionResult, Shot, SubjectPicture
from moongate.report.galleries import method_name
from moongate.report.numbers import decibels
from moongate.report.sheets import Cell


def subject_cells(pictures: Sequence[SubjectPicture]) -> tuple[Cell, ...]:
    """Pictures with their captions."""
    return tuple(Cell(picture.png, picture.text) for picture in pictures)


def shot_cells(shots: Sequence[Shot]) -> tuple[Cell, ...]:
    """Drawn pictures with prompt and seed."""
    return tuple(Cell(shot.png, f"{shot.prompt}, seed {shot.seed}") for shot in shots)


def inversion_cells(results: Sequence[InversionResult]) -> tuple[Cell, ...]:
    """Pictures drawn again from inverted latents, with model, method and error."""
    return tuple(
        Cell(row.reconstruction, f"{row.model}, {method_name(row.method)}, {decibels(row.psnr_db)}")
        for row in results
    )
