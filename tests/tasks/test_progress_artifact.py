"""Progress of a task run as people see it on a server."""

import time

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter

from tasks.progress_artifact import UPDATE_EVERY_S, ProgressArtifact


@task
def work(items: int, each_s: float) -> None:
    with ProgressArtifact().track("sample", items) as advance:
        for _ in range(items):
            time.sleep(each_s)
            advance(1)


@pytest.mark.usefixtures("prefect_server")
def test_long_work_shows_a_percentage_that_ends_at_a_hundred_and_short_work_none() -> None:
    @flow
    def works() -> None:
        work(4, 0.01)
        work(30, UPDATE_EVERY_S / 15)

    state = works(return_state=True)
    with get_client(sync_client=True) as client:
        found = [
            one
            for one in client.read_artifacts(artifact_filter=ArtifactFilter())
            if one.flow_run_id == state.state_details.flow_run_id
        ]
    assert [(one.type, one.description, one.data) for one in found] == [("progress", "sample", 100.0)]
