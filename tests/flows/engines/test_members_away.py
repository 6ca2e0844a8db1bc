"""Members of a campaign on real workers: which comes first, and what a broken one costs."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from prefect import flow

from flows.engines.choice import EngineChoice
from flows.members import performing
from moongate.campaign.members import Member
from moongate.campaign.outcomes import Outcome
from moongate.config import RunConfig
from moongate.errors import InputError
from moongate.runs import RunRecord, load_run

UNUSABLE = InputError("no picture", where="here", why="so", fix="mend it")


def installed(kind: str):
    missing = find_spec(f"prefect_{kind}") is None
    return pytest.param(
        kind,
        marks=pytest.mark.skipif(missing, reason=f"the extra moongate[{kind}] is not installed"),
    )


@flow(persist_result=False, validate_parameters=False)
def campaign(members: list[Member], engine: EngineChoice) -> list[Outcome]:
    with performing(engine) as perform:
        return list(perform(members))


@pytest.mark.parametrize("kind", [installed("dask"), installed("ray")])
@pytest.mark.parametrize("visible", [None, ""])
def test_a_slow_member_does_not_hide_one_that_has_ended_and_a_broken_one_costs_no_other(
    kind: str,
    visible: str | None,
    first: RunRecord,
    config: RunConfig,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MOONGATE_DEVICE_SLOTS")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    slow, broken = Member("slow", (), config), Member("broken", (), UNUSABLE)
    ended = campaign([slow, broken], EngineChoice(kind=kind, devices=2))
    assert [(one.name, one.status) for one in ended] == [("broken", "failed"), ("slow", "completed")]
    assert "no picture" in ended[0].error
    assert load_run(home, str(ended[1].run_id)).status == "completed"
