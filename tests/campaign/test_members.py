from pathlib import Path

import pytest

from moongate.campaign.members import Member, second_seed, setting_members, subject_members, warning_of
from moongate.config import RunConfig
from moongate.errors import ConfigError, InputError
from moongate.overrides import with_overrides

DATASETS = Path(__file__).parents[2] / "datasets"


@pytest.fixture
def subjects(tmp_path: Path) -> Path:
    for name, words in {
        "dog": '[subject]\nclass_noun = "dog"\n[train]\nsteps = 7\n',
        "mug": "= oops",
    }.items():
        (tmp_path / name / "train").mkdir(parents=True)
        (tmp_path / name / "subject.toml").write_text(words)
    (tmp_path / "gate").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README.md").write_text("not a subject")
    return tmp_path


def test_every_bundled_subject_is_a_member_with_its_own_class_noun_and_prompts() -> None:
    members = {member.name: member.config for member in subject_members(DATASETS / "subjects", RunConfig())}
    assert len(members) == 6
    duck, cup = members["bolt_duck"], members["moon_cup"]
    assert isinstance(duck, RunConfig)
    assert isinstance(cup, RunConfig)
    assert (duck.subject.class_noun, cup.subject.class_noun) == ("duck", "cup")
    assert cup.subject.holdout_folder == str(DATASETS / "subjects/moon_cup/holdout")
    assert (duck.sample.prompts, cup.sample.prompts) == (
        "datasets/prompts/live.jsonl",
        "datasets/prompts/object.jsonl",
    )


def test_a_subjects_own_settings_lie_over_those_of_all_and_under_the_overrides(subjects: Path) -> None:
    common = RunConfig(seed=3)
    (dog,) = [one for one in subject_members(subjects, common) if one.name == "dog"]
    assert isinstance(dog.config, RunConfig)
    assert (dog.config.seed, dog.config.train.steps, dog.config.subject.name) == (3, 7, "dog")
    (dog,) = [one for one in subject_members(subjects, common, ["train.steps=9"]) if one.name == "dog"]
    assert isinstance(dog.config, RunConfig)
    assert dog.config.train.steps == 9


def test_what_is_wrong_with_one_subject_is_its_own_fault(subjects: Path) -> None:
    members = {member.name: member.config for member in subject_members(subjects, RunConfig())}
    assert list(members) == ["dog", "gate", "mug"]
    assert "not valid TOML" in str(members["mug"])
    assert "class noun" in str(members["gate"]) or "kind of thing" in str(members["gate"])


def test_a_class_noun_among_the_overrides_serves_all_that_have_none(subjects: Path) -> None:
    members = {
        one.name: one.config for one in subject_members(subjects, RunConfig(), ["subject.class_noun=gate"])
    }
    assert isinstance(members["gate"], RunConfig)
    assert members["gate"].subject.class_noun == "gate"


@pytest.mark.parametrize("name", ["nowhere", "README.md", "gate"])
def test_a_folder_without_subjects_is_refused(subjects: Path, name: str) -> None:
    with pytest.raises(InputError, match="subjects"):
        subject_members(subjects / name, RunConfig())


def test_every_combination_is_a_member_and_an_invalid_one_stops_the_sweep() -> None:
    settings = [("train.steps=10", "seed=1"), ("train.steps=20", "seed=1")]
    members = setting_members(RunConfig(), settings)
    assert [member.name for member in members] == ["train.steps=10 seed=1", "train.steps=20 seed=1"]
    (seeded,) = setting_members(RunConfig(), [("train.steps=10",)], seed=8)
    assert isinstance(seeded.config, RunConfig)
    assert (seeded.config.train.steps, seeded.config.seed) == (10, 8)
    with pytest.raises(ConfigError, match="steps"):
        setting_members(RunConfig(), [("train.steps=10",), ("train.steps=-1",)])


def test_the_second_seed_is_the_next_one_or_another_but_never_the_sweeps_own() -> None:
    config = RunConfig(seed=4)
    assert (second_seed(config, None), second_seed(config, 0)) == (5, 0)
    with pytest.raises(ConfigError, match="cannot confirm itself"):
        second_seed(config, 4)


def test_members_without_held_out_pictures_are_named_before_anything_runs() -> None:
    blind = with_overrides(RunConfig(), ["subject.holdout_folder=none", "train.selection=last"])
    seeing, unseen = Member("dog", (), RunConfig()), Member("mug", (), blind)
    assert warning_of([seeing]) == ""
    assert warning_of([seeing, unseen]).startswith("no result of mug can be called good: ")
    assert warning_of([unseen, unseen]).startswith("no result can be called good: ")
    assert "holdout/" in warning_of([unseen])
