"""Which contact sheets a run gets as PNG files."""

from dataclasses import dataclass

from moongate.report.cells import inversion_cells, shot_cells, subject_cells
from moongate.report.evidence import Evidence
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
        Sheet("training", f"{run.subject}: training pictures", subject_cells(evidence.training)),
        Sheet("holdout", f"{run.subject}: held-out pictures", subject_cells(evidence.holdout)),
        Sheet("samples_tuned", f"{name}: tuned model", shot_cells(evidence.drawn("tuned"))),
        Sheet("samples_base", f"{run.class_noun}: base model", shot_cells(evidence.drawn("base"))),
        Sheet("class_base", f"{run.class_prompt}: base model", shot_cells(evidence.class_pictures("base"))),
        Sheet(
            "class_tuned", f"{run.class_prompt}: tuned model", shot_cells(evidence.class_pictures("tuned"))
        ),
        Sheet("from_inversions", f"{name}: inverted latents", shot_cells(evidence.from_inversions("tuned"))),
        Sheet("inversions", "Evaluation images, inverted and redrawn", inversion_cells(evidence.inversions)),
    )
    return tuple(sheet for sheet in sheets if sheet.cells)
