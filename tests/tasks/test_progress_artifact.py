"""Progress of a task run as people see it on a server."""

import time

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter

from moongate.errors import ConfigError
from tasks.progress_artifact import EVERY_VARIABLE, UPDATE_EVERY_S, ProgressArtifact, interval_of


@task
def work(items: int, each_s: float) -> None:
    with ProgressArtifact(UPDATE_EVERY_S).track("sample", items) as advance:
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


def test_progress_is_sent_every_second_unless_the_environment_says_less_often() -> None:
    assert (interval_of({}), interval_of({EVERY_VARIABLE: ""}), interval_of({EVERY_VARIABLE: "30"})) == (
        1,
        1,
        30,
    )


@pytest.mark.parametrize("word", ["often", "0.5", "-1", "nan", "inf"])
def test_an_interval_that_is_no_number_or_below_a_second_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match=EVERY_VARIABLE):
        interval_of({EVERY_VARIABLE: word})
