"""Write `docs/results.md` from the figures that the benchmarks left, or check that it is fresh.

python -m benchmarks.results_page            write it
python -m benchmarks.results_page --check    exit with status 1 when it is stale
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import base_model, dreambooth, inversion, main_job
from benchmarks.comparison import COLUMNS
from benchmarks.conclusions import DERIVED, DERIVED_COLUMNS
from benchmarks.figures import WHOLE, Figure, Provenance, Record, targets
from benchmarks.grids import by_group, by_metric, target_grid
from benchmarks.launching import FIGURES_FOLDER
from flows.terminal import seconds
from moongate.report.glossary import CLASS_RESEMBLANCE, PROMPT_FIDELITY, SUBJECT_FIDELITY, guide_for

PAGE = Path("docs/results.md")
HEADER = """# Results

Written by `python -m benchmarks.results_page` from `docs/figures/*.parquet`; do not edit. `make verify`
measures all of it again. Intervals cover 95 %, unless a command below says otherwise.

"""
NOT_MEASURED = "Not measured yet."
BY_SUBJECT = (SUBJECT_FIDELITY, PROMPT_FIDELITY, CLASS_RESEMBLANCE)


@dataclass(frozen=True)
class Section:
    """One benchmark's part of the page.

    Attributes:
        name: of its Parquet file and its module.
        title: heading.
        about: what is measured and how, a paragraph.
        columns: headings of the columns that targets may be in.
        body: makes the tables from the figures.
    """

    name: str
    title: str
    about: str
    columns: Mapping[str, str]
    body: Callable[[Sequence[Figure]], Iterator[str]]

    def read(self, folder: Path) -> Record | None:
        """Return what was measured, or None when nothing was."""
        path = folder / f"{self.name}.parquet"
        return Record.read(path) if path.is_file() else None


def page(folder: Path) -> str:
    """Return the page that the Parquet files in `folder` make."""
    found = [(section, section.read(folder)) for section in SECTIONS]
    return HEADER + "\n".join([_targets(found), *(_section(section, record) for section, record in found)])


def main() -> None:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(FIGURES_FOLDER), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page(FIGURES_FOLDER):
        sys.exit(f"{PAGE} is stale: python -m benchmarks.results_page")


def _targets(found: Sequence[tuple[Section, Record | None]]) -> str:
    """Return what was promised beside what was measured, of all benchmarks."""
    measured = [(section, record) for section, record in found if record is not None]
    promised = [figure for _, record in measured for figure in targets(record.figures)]
    if not promised:
        return f"## What was promised\n\n{NOT_MEASURED}\n"
    headings = {key: heading for section, _ in measured for key, heading in section.columns.items()}
    met = sum(figure.is_met is True for figure in promised)
    grid = target_grid(promised, headings).markdown()
    return f"## What was promised\n\n{met} of {len(promised)} targets are met.\n\n{grid}"


def _section(section: Section, record: Record | None) -> str:
    parts = [f"## {section.title}\n", f"{section.about}\n"]
    if record is None:
        parts.append(f"{NOT_MEASURED} `python -m benchmarks.{section.name}` does it.\n")
    else:
        parts += [_provenance(record.provenance), *section.body(record.figures)]
    return "\n".join(parts)


def _provenance(how: Provenance) -> str:
    machine = f"{how.processor}, {how.cores} cores" + ("" if how.device == "cpu" else f", {how.device}")
    return f"""```bash
.venv/bin/{how.command}
```

{how.measured_utc}, {seconds(float(how.seconds))} (less what the store had already), on {machine};
torch {how.torch}, Python {how.python}; UNet in {how.precision}; base model {how.base}.
"""


def _main_job(figures: Sequence[Figure]) -> Iterator[str]:
    yield by_metric(figures, main_job.COLUMNS, "the main job").markdown()


def _base_model(figures: Sequence[Figure]) -> Iterator[str]:
    yield by_metric(figures, base_model.COLUMNS, "held-out renders and prompts").markdown()


def _dreambooth(figures: Sequence[Figure]) -> Iterator[str]:
    table = [figure for figure in figures if figure.group == WHOLE]
    num_subjects = max((figure.num_units for figure in table), default=0)
    num_runs = max((figure.n for figure in table), default=0)
    yield f"![Every subject]({FIGURES_FOLDER.name}/{dreambooth.SHEET_NAME})\n"
    yield f"Means over {num_runs} runs of {num_subjects} subjects; intervals resample subjects.\n"
    yield by_metric(table, COLUMNS, "metric").markdown()
    yield "### What follows\n"
    yield by_metric([one for one in figures if one.group == DERIVED], DERIVED_COLUMNS, "").markdown()
    yield "The last column is the difference of the other two, run by run; above zero, the prior helps.\n"
    for guide in BY_SUBJECT:
        own = [one for one in figures if _is_of_subject(one) and guide_for(one.metric) == guide]
        yield f"### {guide.label}, by subject\n"
        yield by_group(own, COLUMNS, "subject").markdown()


def _is_of_subject(figure: Figure) -> bool:
    return figure.group not in (WHOLE, DERIVED)


def _inversion(figures: Sequence[Figure]) -> Iterator[str]:
    pictures = [figure for figure in figures if figure.column in inversion.MODELS]
    present = {figure.column for figure in pictures}
    columns = {key: heading for key, heading in inversion.MODELS.items() if key in present}
    yield by_metric(pictures, columns, "evaluation pictures").markdown()
    yield inversion.replay_grid(figures).markdown()


SECTIONS = (
    Section(
        main_job.NAME,
        "The main job",
        "What `make run` does after its set-up, without a Prefect server of the user's: five pictures of a\n"
        "subject are learned and judged in an empty store, and then the same again.",
        main_job.COLUMNS,
        _main_job,
    ),
    Section(
        base_model.NAME,
        "The bundled base model",
        "The autoencoder on renders that no training saw; the judges on renders, whose truth is known; and\n"
        "one picture for each prompt that no training picture had as its caption (DDIM, 50 steps, guidance\n"
        "3), judged.",
        base_model.COLUMNS,
        _base_model,
    ),
    Section(
        dreambooth.NAME,
        "DreamBooth",
        "Every bundled subject, personalized by the ordinary chain without and with prior preservation,\n"
        "beside the base model and real held-out pictures. Every run's report explains the metrics.",
        DERIVED_COLUMNS,
        _dreambooth,
    ),
    Section(
        inversion.NAME,
        "Inversion",
        "The evaluation pictures inverted by DDIM at guidance 1 and drawn again, against the autoencoder's\n"
        "own round trip; and the arithmetic alone, with recorded noise predictions in place of the network,\n"
        "on the base model's noise levels.",
        inversion.COLUMNS,
        _inversion,
    ),
)


if __name__ == "__main__":
    main()
