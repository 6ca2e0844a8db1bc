"""What members are called beside each other: only what tells them apart."""

from moongate.campaign.labels import labels_of, numbered, separate_settings
from tests.campaign.outcome_material import outcome


def named(*names: str):
    return labels_of([outcome(name, None, None, "") for name in names])


def test_settings_that_all_share_are_left_out_and_names_are_as_short_as_they_can_be() -> None:
    labels = named("train.steps=1 train.rank=4 sample.seeds=2", "train.steps=2 train.rank=4 sample.seeds=3")
    assert labels.headings == ("steps", "seeds")
    assert labels.name(1) == "steps=2 seeds=3"


def test_two_settings_of_one_last_name_keep_what_tells_them_apart() -> None:
    assert named("train.steps=1 sample.steps=1", "train.steps=2 sample.steps=2").headings == (
        "train.steps",
        "sample.steps",
    )


def test_a_single_setting_and_subjects_keep_their_names() -> None:
    assert named("train.steps=1").name(0) == "steps=1"
    subjects = labels_of([outcome("dog", None, None, "", overrides=""), outcome("mug", None, None, "")])
    assert (subjects.headings, subjects.name(1)) == (("subject",), "mug")


def test_a_value_may_hold_blanks_and_equals_signs() -> None:
    text = "sample.prompts=my file.jsonl train.note=a=b c"
    assert separate_settings(text) == ("sample.prompts=my file.jsonl", "train.note=a=b c")
    assert separate_settings("") == ()


def test_a_number_is_the_place_in_the_campaign() -> None:
    first, second = outcome("a", None, None, ""), outcome("b", None, None, "")
    assert numbered([first, second], second) == "2 b"
    assert numbered([first], second) == "b"
