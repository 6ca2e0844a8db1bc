from pathlib import Path

import pytest

from flows.settings import Choices, as_toml, pretrain_config, split_base
from moongate.config import RunConfig
from moongate.errors import ConfigError
from moongate.overrides import load_config, preset_names
from moongate.subject import subject_name

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_nothing_typed_gives_the_defaults() -> None:
    assert Choices().resolve() == RunConfig()


def test_a_plain_folder_becomes_a_subject_without_held_out_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "my dog!"
    folder.mkdir()
    config = Choices(subject=folder, class_noun="dog", identifier="zwx").resolve()
    subject = config.subject
    assert (subject.name, subject.folder, subject.holdout_folder) == ("my-dog", str(folder), None)
    assert config.train.selection == "last"
    assert (subject.class_noun, subject.identifier) == ("dog", "zwx")


def test_a_folder_with_train_and_holdout_in_it_gives_both(tmp_path: Path) -> None:
    (tmp_path / "mug" / "train").mkdir(parents=True)
    (tmp_path / "mug" / "holdout").mkdir()
    subject = Choices(subject=tmp_path / "mug", class_noun="mug").resolve().subject
    assert subject.name == "mug"
    assert subject.folder == str(tmp_path / "mug" / "train")
    assert subject.holdout_folder == str(tmp_path / "mug" / "holdout")


def test_a_subject_without_its_class_noun_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--class-noun"):
        Choices(subject=tmp_path).resolve()


def test_a_subjects_name_is_never_empty(tmp_path: Path) -> None:
    assert subject_name(tmp_path / "...!") == "subject"


def test_a_base_is_split_at_the_last_at_sign_unless_it_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model@home"
    folder.mkdir()
    assert split_base(f"owner/name@{COMMIT}") == ("owner/name", COMMIT)
    assert split_base("toybox") == ("toybox", None)
    assert split_base(str(folder)) == (str(folder), None)


def test_a_branch_is_no_revision() -> None:
    with pytest.raises(ConfigError, match="40 hex digits"):
        Choices(base="owner/name@main").resolve()


def test_overrides_win_over_the_other_options() -> None:
    config = Choices(preset="quick", identifier="abc", overrides=("subject.identifier=xyz",)).resolve()
    assert config.subject.identifier == "xyz"


@pytest.mark.parametrize("preset", [None, *preset_names()])
def test_printed_settings_are_read_back_unchanged(preset: str | None, tmp_path: Path) -> None:
    config = load_config(
        preset, ["subject.holdout_folder=none", "ingest.allow_rejects=true", 'sample.negative_prompt=a "b"']
    )
    written = tmp_path / "mine.toml"
    written.write_text(as_toml(config), encoding="utf-8")
    assert load_config(str(written)) == config


def test_pretraining_settings_are_overridden_and_checked() -> None:
    assert pretrain_config(["denoiser.steps=7"]).denoiser.steps == 7
    with pytest.raises(ConfigError, match="denoiser.steps"):
        pretrain_config(["denoiser.step=7"])
