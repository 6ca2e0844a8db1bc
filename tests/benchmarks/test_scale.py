"""The simulated night against what can be worked out by hand."""

import pytest

from benchmarks.launching import FIGURES_FOLDER
from benchmarks.scale.calls import EVENT, REQUEST, Call, load_of
from benchmarks.scale.costs import StageCost
from benchmarks.scale.night import Shared, Step, fewest_devices, simulate
from benchmarks.scale.page import PAGE, page
from benchmarks.scale.plan import chain_here

PLENTY = Shared(1e18, 1e18)


def test_devices_that_share_nothing_take_as_many_rounds_as_there_are_subjects_for_each() -> None:
    chain = [Step(3.0, 0, 0), Step(2.0, 0, 0)]
    night = simulate(chain, subjects=10, classes=10, devices=4, shared=PLENTY)
    assert night.seconds == pytest.approx(3 * 5.0)
    assert night.device_share == pytest.approx(10 * 5.0 / (4 * 15.0))


def test_what_a_class_shares_is_done_once_for_it() -> None:
    chain = [Step(7.0, 0, 0, of_class=True), Step(1.0, 0, 0)]
    assert simulate(chain, 10, 2, 1, PLENTY).seconds == pytest.approx(10 * 1.0 + 2 * 7.0)


def test_a_store_that_is_too_slow_sets_the_pace_whatever_the_devices() -> None:
    chain = [Step(1.0, 100.0, 0)]
    nights = [simulate(chain, 200, 1, devices, Shared(10.0, 1e18)) for devices in (50, 100)]
    for night in nights:
        assert night.seconds == pytest.approx(200 * 10.0, rel=0.01)
        assert night.store_share > 0.99
        assert night.store_bytes == pytest.approx(200 * 100.0)


def test_one_device_waits_for_nobody_but_its_own_requests() -> None:
    chain = [Step(2.0, 10.0, 4.0), Step(1.0, 0, 2.0)]
    night = simulate(chain, 5, 5, 1, Shared(5.0, 8.0))
    assert night.seconds == pytest.approx(5 * (2 + 10 / 5 + 4 / 8 + 1 + 2 / 8))
    assert night.server_calls == pytest.approx(5 * 6)


def test_nobody_waits_for_reports_but_the_server_has_so_much_less_for_requests() -> None:
    # Of 14 a second two devices report 12, and 2 are left for requests.
    night = simulate([Step(1.0, 0, 2.0)], 2, 2, 2, Shared(1e18, 14.0), reports_per_s=6.0)
    assert night.seconds == pytest.approx(1 + 2 / 2 + 2 / 2)
    assert night.server_calls == pytest.approx(2 * (2 + 6))
    assert night.server_share == pytest.approx(16 / (3 * 14))
    with pytest.raises(ValueError, match="take all"):
        simulate([Step(1.0, 0, 2.0)], 2, 2, 2, Shared(1e18, 12.0), reports_per_s=6.0)


def test_two_devices_stand_in_line_for_the_store() -> None:
    # Both are done computing at 1; the second is served after the first.
    night = simulate([Step(1.0, 6.0, 0)], 2, 2, 2, Shared(2.0, 1e18))
    assert night.seconds == pytest.approx(1 + 3 + 3)


def test_the_fewest_devices_end_in_time_and_one_fewer_would_not() -> None:
    def night(devices: int):
        return simulate([Step(60.0, 1.0, 1.0)], 100, 100, devices, Shared(10.0, 10.0))

    count = fewest_devices(night, 900.0, 100)
    assert count is not None
    assert night(count).seconds <= 900.0 < night(count - 1).seconds
    assert fewest_devices(night, 15.0, 100) is None


def test_what_a_run_asks_is_a_straight_line_through_a_long_and_a_short_run() -> None:
    # 40 at any rate, .5 updates and .1 heartbeats a second.
    calls = [
        Call("built", REQUEST, "POST /api/flow_runs/", 40, 100.0),
        Call("built", REQUEST, "PATCH /api/artifacts/<id>", 25, 100.0),
        Call("built", EVENT, "prefect.artifact.updated", 25, 100.0),
        Call("built", EVENT, "heartbeat", 10, 100.0),
        Call("again", REQUEST, "POST /api/flow_runs/", 40, 10.0),
        Call("again", REQUEST, "PATCH /api/artifacts/<id>", 5, 10.0),
        Call("again", EVENT, "heartbeat", 1, 10.0),
    ]
    load = load_of(calls)
    assert (load.per_run, load.progress_per_s, load.others_per_s) == pytest.approx((40.0, 0.5, 0.1))
    assert load.with_progress_every(30.0).per_s == pytest.approx(0.5 / 30 + 0.1)
    assert load.with_progress_every(1.0) == load


def test_a_run_that_finds_its_classs_work_done_asks_for_all_but_what_that_works_time_brings() -> None:
    def cost(role: str, seconds: float) -> StageCost:
        return StageCost("sample", role, seconds, 1, 1, 1, 1, 0)

    load = load_of([Call("built", EVENT, "e", 60, 20.0), Call("again", EVENT, "e", 40, 10.0)])
    chain = chain_here([cost("base", 5.0), cost("tuned", 7.0), cost("swapped", 3.0)], load)
    assert [step.of_class for step in chain] == [True, False, False]
    assert [step.server_calls for step in chain] == pytest.approx([0, 20 / 2, 20 / 2])


def test_the_page_is_what_its_command_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(FIGURES_FOLDER)
