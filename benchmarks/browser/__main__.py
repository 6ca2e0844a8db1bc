"""Have a real Chromium look at a run, its artifacts and its run form on a real Prefect server.

    python -m benchmarks.browser    writes docs/images/prefect-*.png and docs/figures/browser.parquet

`moongate up` starts a server and workers of its own, and the nightly schedule, moved to a minute that comes
soon, performs a small run twice; the browser then asserts what people are promised to see. It needs Chromium
and the extra `browser`, and ends with status 1 when one of them is missing or something is not displayed.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import pyarrow as pa
import typer
from prefect.client.schemas.responses import DeploymentResponse

from benchmarks.browser.schedule import artifacts, deployment_of, descriptions, fired
from benchmarks.browser.subject import CAPTION, FILE_NAME, MARK, write_subject
from benchmarks.browser.visitor import Sight, Visitor, visiting
from benchmarks.chromium import NoBrowserError, find_browser
from benchmarks.launching import FIGURES_FOLDER, Output, Set, launch
from benchmarks.operations.machine import Machine, machine
from moongate.artifacts.schemas import Table
from moongate.artifacts.tables import write_table

SIGHTS = Table(
    "browser",
    1,
    "sight",
    pa.schema(
        [
            *(pa.field(name, pa.string(), nullable=False) for name in ("page", "what")),
            pa.field("displayed", pa.bool_(), nullable=False),
        ]
    ),
)
# A processor draws the time line of a run, which is meant for a graphics card.
DRAWN_S = 45.0
IMAGES_FOLDER = Path("docs/images")
SUBJECT = Path("datasets/subjects/bolt_duck/train")
# Pictures that can be recognized, in a minute or two of two cores.
SETTINGS = (
    "base.device=cpu",
    "ingest.evaluation_folder=datasets/subjects/moon_cup/train",
    "prior.num_images=8",
    "prior.steps=12",
    "train.steps=60",
    "train.validate_every=15",
    "invert.steps=10",
    "invert.num_images=4",
    "sample.steps=15",
    "sample.seeds_per_prompt=1",
    "sample.class_images=4",
    "evaluate.bootstrap_draws=200",
)


def main(
    images: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the pictures go.")] = IMAGES_FOLDER,
    output: Output = FIGURES_FOLDER,
    set_: Set = None,
) -> None:
    """Have a real Chromium look at what a real Prefect server shows of a scheduled run."""
    try:
        find_browser()
    except NoBrowserError as absent:
        sys.exit(f"not done: {absent}")
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, machine(Path(scratch)) as own:
        pictures = write_subject(SUBJECT, Path(scratch) / "subject")
        sights = looked_at(own, [f"subject.folder={pictures}", *SETTINGS, *(set_ or ())], images)
    write_table(output / "browser.parquet", [asdict(sight) for sight in sights], SIGHTS, {})
    if missing := [f"{sight.page}: {sight.what}" for sight in sights if not sight.displayed]:
        sys.exit("not displayed: " + "; ".join(missing))
    typer.echo(f"all of it is displayed: {images}/prefect-*.png")


def looked_at(own: Machine, overrides: Sequence[str], images: Path) -> list[Sight]:
    """Let the schedule fire twice, look at all that is shown of it, and return what was looked for."""
    deployment = deployment_of("personalize/one-subject")
    first, again = (fired(own, deployment, overrides) for _ in range(2))
    subject = own.record(first).config.subject.name
    prefix = subject.replace("_", "-") + "-"
    pages = {
        (one.key or "").removeprefix(prefix): f"/artifacts/artifact/{one.id}" for one in artifacts(first)
    }
    with visiting(own.url.removesuffix("/api")) as visitor:
        look_at_runs(visitor, first, again, subject, images)
        look_at_artifacts(visitor, pages, subject, images)
        look_at_form(visitor, deployment, images)
        return visitor.sights


def look_at_runs(visitor: Visitor, first: UUID, again: UUID, subject: str, images: Path) -> None:
    """The page of a run says how it went and has the core's log; that of a repeated one says Cached."""
    visitor.open("run", f"/runs/flow-run/{first}")
    visitor.expect_text(f"{subject} until record", "Completed", "auto-scheduled")
    # Only the lines in view are drawn, and the core's last ones are among the newest.
    visitor.press("Oldest to newest")
    visitor.press("Newest to oldest")
    visitor.expect_text("record    run          done in")
    visitor.settle(DRAWN_S)
    visitor.keep(images / "prefect-run.png")
    visitor.open("repeated run", f"/runs/flow-run/{again}")
    visitor.press("Task Runs")
    visitor.expect_text("Cached")


def look_at_artifacts(visitor: Visitor, pages: Mapping[str, str], subject: str, images: Path) -> None:
    """Pictures have pixels, tables have rows, task runs a name, and nothing from a file has become markup."""
    visitor.open("contact sheet", pages["samples-tuned"])
    visitor.expect_picture(min_width=600)
    visitor.expect_text(f"sample tuned · {subject}")
    visitor.keep(images / "prefect-contact-sheet.png")
    visitor.open("contact sheet, older interface", pages["samples-tuned"], interface="")
    visitor.expect_picture(min_width=600)
    visitor.open("validation curve", pages["validation"])
    visitor.expect_picture(min_width=600)
    visitor.open("metric table", pages["metrics"])
    visitor.expect_text("Subject fidelity", "real pictures", "base model", "tuned model")
    visitor.keep(images / "prefect-metrics.png")
    visitor.open("ingest report", pages["ingest-train"])
    visitor.expect_text(FILE_NAME, CAPTION.partition("www")[0])
    visitor.expect_nothing_ran(MARK)
    visitor.open("verdict", pages["verdict"])
    visitor.expect_text("report.html", "moongate rerun")


def look_at_form(visitor: Visitor, deployment: DeploymentResponse, images: Path) -> None:
    """The run form has every parameter of the flow and of its nested settings, each with its description."""
    visitor.open("run form", f"/deployments/deployment/{deployment.id}/run")
    visitor.expect_text("Parameters", *descriptions(deployment.parameter_openapi_schema or {}))
    visitor.keep(images / "prefect-run-form.png")


if __name__ == "__main__":
    launch(main)
