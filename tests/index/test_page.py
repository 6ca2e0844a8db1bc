"""The index: every run on it, escaped, alone in the world, described for those who do not see it."""

import base64
import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from moongate.artifacts.store import Store
from moongate.campaign.outcomes import Outcome
from moongate.campaign.recommendation import Recommendation
from moongate.campaign.record import Campaign, campaign_folder
from moongate.config import RunConfig
from moongate.index.site import write_index
from moongate.runs import RunRecord, going_on
from tests.index_material import bare_run, run_id, shown_run
from tests.page_reader import Reading
from tests.run_material import HOSTILE, PROMPTS

SWEEP = "sweep-20261121-150000-5e5e"


def outcome(name: str, number: int | None, fidelity: float | None, error: str = "") -> Outcome:
    return Outcome(
        name, "duck", f"train.{name}", 0, None if number is None else run_id(number),
        "failed" if error else "completed", "" if error else "good", "", fidelity,
        None if fidelity is None else 1.2 - fidelity, 0.1, 60.0, 3, error,
    )  # fmt: skip


def write_sweep(root: Path) -> None:
    best, worse = outcome("steps=10", 1, 0.8), outcome("steps=20", 2, 0.4)
    broken = outcome(HOSTILE, None, None, error=f"ConfigError: {HOSTILE}\n  where: here")
    campaign = Campaign(
        SWEEP, "sweep", (best, worse, broken), Recommendation(best, "it is the best", "seed 1 agrees")
    )
    from dataclasses import asdict

    folder = campaign_folder(root, SWEEP)
    folder.mkdir(parents=True)
    (folder / "campaign.json").write_text(json.dumps(asdict(campaign)))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs: two finished, a repetition of one, one failed, one killed, one that cannot be read."""
    store = Store(tmp_path_factory.mktemp("home"))
    shown_run(store, 1)
    shown_run(store, 2, HOSTILE, ("train.steps=20",), verdict="overfit", verdict_reason=HOSTILE)
    shown_run(
        store, 3, parent=run_id(1), from_stage="sample", overrides=("sample.guidance=5", HOSTILE), verdict=""
    )
    bare_run(store, 4, status="failed", error=f"InputError: {HOSTILE}\n  where: in {HOSTILE}")
    bare_run(store, 5, parent=run_id(1))
    folder = store.root / "runs" / run_id(6)
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    (store.root / "runs" / run_id(1) / "report.html").write_text("a report")
    write_sweep(store.root)
    write_index(store)
    return store.root


@pytest.fixture(scope="module")
def html(root: Path) -> str:
    return (root / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Reading:
    return Reading(html)


def row(html: str, number: int) -> Reading:
    return Reading(html[html.index(f'<tr id="{run_id(number)}"') :].partition("</tr>")[0])


def data(html: str) -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = json.loads(
        html.partition('id="data">')[2].partition("</script>")[0]
    )
    return found


def test_every_readable_run_has_a_row_newest_first_and_others_are_named(page: Reading) -> None:
    ids = [found["id"] for found in page.all("tr") if "id" in found]
    assert ids == [run_id(number) for number in (5, 4, 3, 2, 1)]
    assert "1 more run has a record that this version cannot read" in page.text
    assert run_id(6) in page.text


def test_everything_that_is_loaded_is_a_file_beside_the_page(root: Path, page: Reading) -> None:
    loads = [found[name] for _, found in page.elements for name in ("src", "href") if name in found]
    files = [load for load in loads if not load.startswith(("#", "data:,"))]
    assert len(files) > 6
    assert all((root / load).is_file() for load in files)
    assert not any(":" in load.partition("data:,")[0] for load in files)


def test_the_policy_of_the_page_fits_its_only_style_and_script(html: str) -> None:
    policy = html.partition('Content-Security-Policy" content="')[2].partition('"')[0]
    style = html.partition("<style>")[2].partition("</style>")[0]
    script = html.rpartition("<script>")[2].partition("</script>")[0]
    for text in (style, script):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not re.search(r" style=| on[a-z]+=", html.partition("<main>")[2].partition("<script")[0])


def test_markup_in_any_word_of_a_run_stays_text(html: str, page: Reading) -> None:
    assert html.count("<script") == 2
    assert "javascript:alert" not in "".join(found.get("href", "") for found in page.all("a"))
    assert HOSTILE in row(html, 4).text
    assert HOSTILE in row(html, 3).text
    assert any(HOSTILE in image["alt"] for image in row(html, 2).all("img"))
    assert data(html)["runs"][run_id(2)]["sheet"]


def test_every_picture_says_what_it_shows_has_a_size_and_waits_until_it_is_seen(page: Reading) -> None:
    images = page.all("img")
    assert len(images) == 6
    for image in images:
        assert image["alt"].strip()
        assert int(image["width"]) >= int(image["height"]) > 0
        assert (image["loading"], image["decoding"]) == ("lazy", "async")
    assert f"“{PROMPTS[0][1].format(subject='sks duck')}”" in images[1]["alt"]
    drawings = page.all("svg")
    assert all(one.get("aria-hidden") == "true" or one["aria-label"] for one in drawings)
    assert any("Held-out loss from 0.4000 at step 10" in one.get("aria-label", "") for one in drawings)


def test_ids_are_unique_and_every_anchor_and_label_has_its_goal(page: Reading) -> None:
    ids = [found["id"] for _, found in page.elements if "id" in found]
    assert len(ids) == len(set(ids))
    anchors = {found["href"][1:] for found in page.all("a") if found["href"].startswith("#")}
    named = {found["for"] for found in page.all("label") if "for" in found}
    labelled = {found["aria-labelledby"] for _, found in page.elements if "aria-labelledby" in found}
    assert anchors | named | labelled <= set(ids)


def test_every_control_has_a_name(page: Reading) -> None:
    named = {found.get("for") for found in page.all("label")}
    for tag in ("input", "select"):
        for control in page.all(tag):
            in_a_label = control.get("name") == "badge"
            assert in_a_label or control.get("aria-label") or control["id"] in named


def test_headings_go_down_one_level_at_a_time(page: Reading) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_shares_stand_in_the_row_with_their_interval(html: str) -> None:
    text = row(html, 1).text
    assert "80 %" in text  # (0.8 - 0.4) / (0.9 - 0.4)
    assert "78 % to 82 %" in text
    assert "95 %" in text  # 0.285 / 0.3
    assert "0.2000 at 20" in text
    assert "1 of 5 cached" in text


def test_a_failed_and_a_killed_run_say_why(html: str) -> None:
    failed, killed = row(html, 4).text, row(html, 5).text
    assert "failed" in failed
    assert "All of the message" in failed
    assert "interrupted" in killed
    assert "It was stopped before its first stage was done" in killed
    assert "not measured" in killed


def test_lineage_links_a_run_to_what_it_repeats_and_back(html: str) -> None:
    child, parent = row(html, 3), row(html, 1)
    assert f"#{run_id(1)}" in [link["href"] for link in child.all("a")]
    assert "from sample on sample.guidance=5" in child.text
    assert {f"#{run_id(3)}", f"#{run_id(5)}"} <= {link["href"] for link in parent.all("a")}


def test_a_report_is_linked_where_there_is_one(html: str) -> None:
    assert f"runs/{run_id(1)}/report.html" in [link["href"] for link in row(html, 1).all("a")]
    assert not [link for link in row(html, 2).all("a") if "report" in link["href"]]


def test_a_campaign_shows_its_members_its_plot_and_what_to_take(html: str) -> None:
    campaign = Reading(html[html.index(f'id="{SWEEP}"') :].partition("</article>")[0])
    assert "Take 1 steps=10: It is the best." in campaign.text
    assert "Seed 1 agrees." in campaign.text
    assert f"ConfigError: {HOSTILE}" in campaign.text
    assert "1 steps=10 to take" in campaign.text
    assert "2 steps=20" in campaign.text
    assert "Numbers are those of the table." in campaign.text
    assert [one["class"] for one in campaign.all("circle")] == ["chosen"]  # a ring
    assert [one["class"] for one in campaign.all("path")].count("on-front") == 2
    assert f"#{SWEEP}" in [link["href"] for link in row(html, 1).all("a")]


def test_runs_can_be_compared_by_what_they_do_not_have_in_common(html: str) -> None:
    found = data(html)
    names = list(found["settings"])
    steps = str(names.index("train.steps"))
    assert found["runs"][run_id(2)]["settings"] == {steps: "20"}
    assert found["runs"][run_id(1)]["settings"] == {}
    figures = found["runs"][run_id(1)]["metrics"]
    assert isinstance(figures, dict)
    labels = [metric["label"] for metric in found["metrics"]]
    assert figures[str(labels.index("Subject fidelity"))] == [
        [0.9, 0.89, 0.91],
        [0.4, 0.39, 0.41],
        [0.8, 0.79, 0.81],
    ]


def test_an_empty_store_gets_a_page_that_says_how_to_begin(tmp_path: Path) -> None:
    page = Reading(write_index(Store(tmp_path / "new")).read_text(encoding="utf-8"))
    assert "No runs yet" in page.text
    assert "moongate run" in page.text
    assert not page.all("script")


def test_a_run_that_is_going_on_says_which_stage_ended_last(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = RunRecord(run_id=run_id(1), started_utc="2026-11-21T08:00:00.000+00:00", config=RunConfig())

    def told() -> str:
        return row(write_index(store).read_text(encoding="utf-8"), 1).text

    with going_on(tmp_path, record) as run:
        assert "Running; no stage has ended yet." in told()
        run.add_record(0.1)
        assert "Running; the last stage that ended is record." in told()


def test_a_stopped_run_is_not_to_be_gone_on_with_once_another_has_taken_its_place(tmp_path: Path) -> None:
    store, advice = Store(tmp_path), "the same command goes on from there"
    bare_run(store, 1)
    assert advice in row(write_index(store).read_text(encoding="utf-8"), 1).text
    bare_run(store, 2, status="completed")
    told = row(write_index(store).read_text(encoding="utf-8"), 1).text
    assert "It was stopped before its first stage was done." in told
    assert advice not in told
