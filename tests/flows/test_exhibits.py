"""What a run shows of itself on a server: the artifacts that people see in its user interface."""

import base64
import json
from io import BytesIO

import pytest
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact

from moongate.exhibits.light import MAX_URI_BYTES
from moongate.runs import RunRecord

PICTURES = {
    *("pictures-train", "pictures-holdout", "pictures-evaluation", "pictures-class", "validation"),
    *("inversions-base", "inversions-tuned", "samples-base", "samples-tuned"),
    *("samples-base-class", "samples-tuned-class", "samples-swapped"),
}
WORDS = {"ingest-train", "ingest-holdout", "ingest-evaluation", "verdict"}


@pytest.fixture(scope="module")
def shown(first: RunRecord) -> dict[str, Artifact]:
    """The artifacts of the tiny run by what follows its subject in their keys."""
    with get_client(sync_client=True) as client:
        (flow_run,) = [run for run in client.read_flow_runs() if first.run_id.endswith(str(run.id)[:4])]
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]))
        found = client.read_artifacts(artifact_filter=of_run)
    return {one.key.removeprefix("noise-duck-"): one for one in found if one.key}


def test_every_stage_shows_what_it_made(shown: dict[str, Artifact]) -> None:
    assert {name for name, one in shown.items() if one.type == "markdown"} == PICTURES | WORDS
    assert {name for name, one in shown.items() if one.type == "table"} == {"metrics"}
    assert all(one.task_run_id for one in shown.values())


def test_pictures_are_whole_and_light(shown: dict[str, Artifact]) -> None:
    for name in PICTURES:
        alternative, _, uri = str(shown[name].data).removesuffix(")").partition("](")
        assert alternative.startswith("![")
        assert len(uri) <= MAX_URI_BYTES
        with Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
            picture.load()


def test_the_metric_table_has_each_value_between_its_bounds(shown: dict[str, Artifact]) -> None:
    rows = json.loads(str(shown["metrics"].data))
    (subject,) = [row for row in rows if row["metric"] == "Subject fidelity"]
    assert all("[" in subject[bound] for bound in ("real pictures", "base model", "tuned model"))


def test_the_verdict_names_its_reason_and_the_report(shown: dict[str, Artifact], first: RunRecord) -> None:
    page = str(shown["verdict"].data)
    assert page.startswith(f"# {first.verdict}\n")
    assert f"`{first.run_id}`" in page
    assert "/report.html`" in page


def test_the_ingest_report_has_every_file(shown: dict[str, Artifact]) -> None:
    page = str(shown["ingest-train"].data)
    assert "4 of 4 offered files" in page
    assert r"| 0\.png | accepted |" in page
