"""The report page: self-contained, escaped, honest about what is missing, and true to the tables."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from moongate.artifacts.store import Store
from moongate.config import RunConfig
from moongate.models.source import BaseSource
from moongate.report.evidence import Ancestry, Evidence, Setting, SettingGroup
from moongate.report.page import build_page, render
from moongate.stages.record import gather
from tests.page_reader import Reading
from tests.run_material import HALF_WIDTH, HOSTILE, PROMPTS, RUN_ID, SEEDS, png, run_inputs, summary_row

LOADING = ("src", "href", "data", "poster", "srcset", "action", "xlink:href")


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Evidence:
    store = Store(tmp_path_factory.mktemp("home"))
    return gather(RunConfig(), run_inputs(store, BaseSource(tiny_sd1, "tiny")), store)


@pytest.fixture(scope="module")
def html(evidence: Evidence) -> str:
    return render(build_page(evidence))


@pytest.fixture(scope="module")
def page(html: str) -> Reading:
    return Reading(html)


def test_nothing_is_loaded_from_outside_the_page(html: str, page: Reading) -> None:
    loads = [str(found[name]) for _, found in page.elements for name in LOADING if name in found]
    assert loads
    assert all(load.startswith(("data:", "#")) for load in loads)
    assert not re.search(r"@import|url\((?!#)", html)
    assert not page.all("script")


def test_a_caption_with_markup_stays_text(html: str, page: Reading) -> None:
    assert "<script" not in html
    assert HOSTILE in page.text
    assert any(HOSTILE in (image["alt"] or "") for image in page.all("img"))


def with_markup_everywhere(evidence: Evidence) -> Evidence:
    """The same run, with markup in every word that can come from a file, a setting or a library."""
    run, fit = evidence.run, evidence.fit
    words = ("subject", "class_noun", "identifier", "class_prompt", "base_model")
    setting = Setting(HOSTILE, HOSTILE, HOSTILE)
    return replace(
        evidence,
        run=replace(
            run,
            **dict.fromkeys(words, HOSTILE),
            caveats=(HOSTILE,),
            ancestry=Ancestry(HOSTILE, HOSTILE, (HOSTILE,)),
            versions=((HOSTILE, HOSTILE),),
            settings=(SettingGroup(HOSTILE, HOSTILE, (setting,)),),
        ),
        training=tuple(replace(one, file_name=HOSTILE, text=HOSTILE) for one in evidence.training),
        holdout=tuple(replace(one, file_name=HOSTILE, text=HOSTILE) for one in evidence.holdout),
        shots=tuple(replace(shot, prompt=HOSTILE) for shot in evidence.shots),
        inversions=tuple(replace(one, image_id=HOSTILE) for one in evidence.inversions),
        fit=replace(fit, reason=HOSTILE, incidents=(HOSTILE,)),
        stages=tuple(replace(stage, role=HOSTILE, device=HOSTILE) for stage in evidence.stages),
    )


def test_markup_in_any_word_of_a_run_makes_no_element_and_no_link(evidence: Evidence) -> None:
    html = render(build_page(with_markup_everywhere(evidence)))
    found = Reading(html)
    assert html.count("&lt;script&gt;") > 30
    assert "<script" not in html
    assert {tag for tag, _ in found.elements}.isdisjoint({"script", "iframe", "object", "form", "base"})
    links = {str(attributes["href"]) for attributes in found.all("a")}
    assert links
    assert all(link.startswith("#") for link in links)
    names = {name for _, attributes in found.elements for name in attributes}
    assert not any(name.startswith("on") for name in names)


def test_every_picture_says_what_it_shows(page: Reading) -> None:
    images = page.all("img")
    assert len(images) > 30
    assert all((image.get("alt") or "").strip() for image in images)
    assert all(drawing.get("aria-hidden") == "true" for drawing in page.all("svg"))
    described = [found["aria-label"] for _, found in page.elements if found.get("role") == "img"]
    assert any("Held-out loss" in (words or "") for words in described)


def test_the_headline_and_the_answers_carry_the_numbers_of_the_summary(page: Reading) -> None:
    headline = page.text[page.text.index("The model learned") :]
    expected = [
        f"{100 * share:.0f} %"
        for share in ((0.8 - 0.4) / (0.9 - 0.4), 0.285 / 0.3, (0.45 - 0.4) / (0.9 - 0.4))
    ]
    assert re.findall(r"\d+ %", headline)[:3] == expected
    for value in ("0.800", "0.400", "0.900", "0.285", "0.300", "0.450"):
        assert value in page.text
    assert f"{0.8 - HALF_WIDTH:.3f} to {0.8 + HALF_WIDTH:.3f}" in page.text


def test_what_a_reader_has_to_know_first_stands_before_the_answers(evidence: Evidence, page: Reading) -> None:
    warned = replace(evidence, run=replace(evidence.run, caveats=("Judged by <strangers>.",)))
    text = Reading(render(build_page(warned))).text
    assert text.index("Judged by <strangers>.") < text.index("Did the model learn the subject?")
    assert "strangers" not in page.text


def test_metrics_stand_in_their_own_units(page: Reading) -> None:
    assert "0.0123" in page.text
    assert "91 %" in page.text
    assert "0.07" in page.text


def test_every_prompt_is_shown_with_both_models_and_every_seed(page: Reading) -> None:
    alts = [image["alt"] for image in page.all("img")]
    for _, template, _ in PROMPTS:
        for seed in SEEDS:
            assert f"Tuned model, prompt “{template.format(subject='sks duck')}”, seed {seed}" in alts
            assert f"Base model, prompt “{template.format(subject='duck')}”, seed {seed}" in alts


def test_kinds_of_prompts_come_in_one_order_with_their_mean_scores(page: Reading) -> None:
    places = [page.text.index(title) for title in ("Places", "With something on", "Changed properties")]
    assert places == sorted(places)
    assert page.text.count("subject 0.75") == len(PROMPTS)


def test_identical_reconstructions_are_named_and_others_have_decibels(page: Reading) -> None:
    assert page.text.count("identical") >= 2
    assert "29.5 dB" in page.text
    assert "31.2 dB" in page.text


def test_the_chosen_step_and_its_reason_are_told(page: Reading) -> None:
    assert re.search(
        r"Step 2 was kept\. Held-out loss 0\.20000 after step 2 is the lowest of 2 validations\.", page.text
    )


def test_stages_show_what_was_evaluated_and_what_was_cached(page: Reading) -> None:
    assert "1 234 UNet evaluations" in page.text
    assert "1 of them cached" in page.text


def test_small_pictures_keep_their_bytes_and_hard_edges(page: Reading, evidence: Evidence) -> None:
    import base64

    embedded = base64.b64encode(evidence.training[0].png).decode()
    images = [image for image in page.all("img") if embedded in (image["src"] or "")]
    assert images
    assert all(image["class"] == "pixels" for image in images)


def test_large_pictures_are_reduced_and_smooth(evidence: Evidence) -> None:
    large = tuple(replace(picture, png=png(1, side=512)) for picture in evidence.training)
    images = Reading(render(build_page(replace(evidence, training=large)))).all("img")
    thumbnails = [image for image in images if (image["src"] or "").startswith("data:image/jpeg")]
    assert {image["width"] for image in thumbnails} == {"192"}
    assert all("class" not in image for image in thumbnails)


def test_a_run_that_made_nothing_gets_a_page_of_reasons(evidence: Evidence) -> None:
    text = Reading(render(build_page(Evidence(run=evidence.run)))).text
    for reason in (
        "no ingested pictures", "drew no samples with the tuned model", "drew no plain class pictures",
        "trained no adapter", "inverted no evaluation images", "from inverted latents", "has no metrics",
        "No exact judges were asked", "No stage was recorded",
    ):  # fmt: skip
        assert reason in text
    assert text.count("Not measured") == 3


def test_a_missing_bound_is_named_and_the_others_are_still_answered(evidence: Evidence) -> None:
    kept = [row for row in evidence.scores if not row.metric.startswith("subject_fidelity")]
    scores = (*kept, summary_row("subject_fidelity.identity", "real", None))
    text = Reading(render(build_page(replace(evidence, scores=scores)))).text
    assert "Subject fidelity has no value for: tuned and base and real." in text
    assert "still follows prompts (95" in text
    assert "real: missing" in text


def test_the_page_names_its_run_links_within_itself_and_stays_small(html: str, page: Reading) -> None:
    assert RUN_ID in page.text
    assert len(html.encode()) < 1_000_000
    ids = [found["id"] for _, found in page.elements if found.get("id")]
    assert len(ids) == len(set(ids))
    targets = {(found["href"] or "")[1:] for found in page.all("a")}
    assert targets <= set(ids)


def test_a_run_that_repeats_another_leads_to_it_and_says_what_was_changed(evidence: Evidence) -> None:
    parent = "r20260101-000000-bolt_duck-cafe"
    ancestry = Ancestry(parent, "sample", ("sample.guidance=5",))
    page = Reading(render(build_page(replace(evidence, run=replace(evidence.run, ancestry=ancestry)))))
    assert f"../{parent}/report.html" in [link["href"] for link in page.all("a")]
    assert f"Repeats {parent} from sample on sample.guidance=5" in page.text


def test_what_is_no_id_of_a_run_becomes_no_link(evidence: Evidence) -> None:
    ancestry = Ancestry("../../elsewhere")
    page = Reading(render(build_page(replace(evidence, run=replace(evidence.run, ancestry=ancestry)))))
    assert "Repeats ../../elsewhere nothing changed" in page.text
    assert not [link for link in page.all("a") if "elsewhere" in str(link["href"])]


def test_no_script_may_run_on_the_page_and_headings_go_down_one_level_at_a_time(page: Reading) -> None:
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert str(policy).startswith("default-src 'none'; img-src data:;")
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
