"""Have a real Chromium look at a run, its artifacts and its run form on a real Prefect server.

    python -m benchmarks.browser            writes docs/images/prefect-*.png

A worker performs a small run twice; the browser then asserts what people are promised to see. It needs
Chromium and `moongate[browser]`, says so and does nothing where one of them is missing, and ends
with status 1 when something is not displayed.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.browser.server import Deployment, Server, served
from benchmarks.browser.subject import CAPTION, FILE_NAME, MARK, write_subject
from benchmarks.browser.visitor import Visitor, visiting
from benchmarks.chromium import NoBrowserError, find_browser
from benchmarks.launching import Set, StoreFolder, launch
from moongate.config import RunConfig
from moongate.overrides import load_config

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
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the pictures go.")] = IMAGES_FOLDER,
    store: StoreFolder = Path("store"),
    set_: Set = None,
) -> None:
    """Have a real Chromium look at what a real Prefect server shows of a run."""
    try:
        find_browser()
    except NoBrowserError as missing:
        typer.echo(f"skipped: {missing}", err=True)
        return
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, served(Path(scratch), store) as server:
        pictures = write_subject(SUBJECT, Path(scratch) / "subject")
        config = load_config(None, [f"subject.folder={pictures}", *SETTINGS, *(set_ or ())])
        faults = looked_at(server, config, output)
    if faults:
        sys.exit("\n".join(faults))
    typer.echo(f"all of it is displayed: {output}/prefect-*.png")


def looked_at(server: Server, config: RunConfig, output: Path) -> list[str]:
    """Have a worker perform a run twice, look at all that is shown of it, and return what was missing."""
    server.deploy()
    deployment = server.deployment("personalize", "one-subject")
    parameters = {"config": config.model_dump(mode="json")}
    first, again = (server.perform(deployment, parameters) for _ in range(2))
    subject = config.subject.name.replace("_", "-")
    pages = {
        str(one["key"]).removeprefix(f"{subject}-"): f"/artifacts/artifact/{one['id']}"
        for one in server.artifacts(first)
    }
    with visiting(server.url) as visitor:
        look_at_runs(visitor, first, again, config.subject.name, output)
        look_at_artifacts(visitor, pages, config.subject.name, output)
        look_at_form(visitor, deployment, output)
        return visitor.faults


def look_at_runs(visitor: Visitor, first: str, again: str, subject: str, output: Path) -> None:
    """The page of a run says how it went and has the core's log; that of a repeated one says Cached."""
    visitor.open(f"/runs/flow-run/{first}")
    visitor.expect_text(f"{subject} until record", "Completed", "ingest    train        done in")
    visitor.keep(output / "prefect-run.png")
    visitor.open(f"/runs/flow-run/{again}")
    visitor.press("Task Runs")
    visitor.expect_text("Cached")


def look_at_artifacts(visitor: Visitor, pages: Mapping[str, str], subject: str, output: Path) -> None:
    """Pictures have pixels, tables have rows, task runs a name, and nothing from a file has become markup."""
    visitor.open(pages["samples-tuned"])
    visitor.expect_picture(min_width=600)
    visitor.expect_text(f"sample tuned · {subject}")
    visitor.keep(output / "prefect-contact-sheet.png")
    visitor.open(pages["samples-tuned"], interface="")
    visitor.expect_picture(min_width=600)
    visitor.open(pages["validation"])
    visitor.expect_picture(min_width=600)
    visitor.open(pages["metrics"])
    visitor.expect_text("Subject fidelity", "real pictures", "base model", "tuned model")
    visitor.keep(output / "prefect-metrics.png")
    visitor.open(pages["ingest-train"])
    visitor.expect_text(FILE_NAME, CAPTION.partition("www")[0])
    visitor.expect_nothing_ran(MARK)
    visitor.open(pages["verdict"])
    visitor.expect_text("report.html", "moongate rerun")


def look_at_form(visitor: Visitor, deployment: Deployment, output: Path) -> None:
    """The run form has every parameter of the flow and of its nested settings, each with its description."""
    visitor.open(f"/deployments/deployment/{deployment.deployment_id}/run")
    visitor.expect_text("Parameters", *deployment.descriptions)
    visitor.keep(output / "prefect-run-form.png")


if __name__ == "__main__":
    launch(main)
