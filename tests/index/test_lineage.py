from moongate.config import RunConfig
from moongate.index.lineage import DEEPEST, lineage_of, replaced_runs
from moongate.overrides import with_overrides
from moongate.runs import RunRecord


def run(name: str, parent: str | None = None, minute: int = 0) -> RunRecord:
    return RunRecord(
        run_id=name, parent=parent, started_utc=f"2026-11-21T08:{minute:02d}:00+00:00", config=RunConfig()
    )


def test_a_run_comes_after_what_it_repeats_and_before_its_parents_next_child() -> None:
    found = lineage_of([run("d", "a", 3), run("c", "b", 2), run("b", "a", 1), run("a"), run("lonely")])
    (family,) = found.families
    assert [(one.run.run_id, one.depth) for one in family] == [("a", 0), ("b", 1), ("c", 2), ("d", 1)]
    assert found.children == {"a": ("b", "d"), "b": ("c",)}


def test_a_parent_that_is_gone_starts_no_family_and_a_circle_ends() -> None:
    assert lineage_of([run("a", "gone"), run("b", "gone")]).families == ()
    assert lineage_of([run("a", "b"), run("b", "a", 1)]).families == ()
    assert lineage_of([run("a", "a")]).children == {}


def test_a_long_chain_is_indented_only_so_far() -> None:
    runs = [run("r0"), *(run(f"r{n}", f"r{n - 1}", n % 60) for n in range(1, 2000))]
    (family,) = lineage_of(runs).families
    assert len(family) == 2000
    assert max(one.depth for one in family) == DEEPEST


def test_a_run_is_replaced_by_a_later_completed_one_of_the_same_settings_that_went_as_far() -> None:
    stopped = run("stopped", minute=1).model_copy(update={"status": "interrupted"})

    def later(**changes: object) -> RunRecord:
        return run("later", minute=2).model_copy(update={"status": "completed", **changes})

    other = with_overrides(RunConfig(), ["seed=9"])
    assert replaced_runs([later(), stopped]) == {"stopped"}
    assert replaced_runs([later(until="cache"), stopped]) == frozenset()
    assert replaced_runs([later(status="failed"), stopped]) == frozenset()
    assert replaced_runs([later(config=other), stopped]) == frozenset()
    assert replaced_runs([stopped, later(started_utc=run("earlier").started_utc)]) == frozenset()
