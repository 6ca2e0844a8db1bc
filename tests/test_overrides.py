import pytest

from moongate.config import RunConfig
from moongate.errors import ConfigError
from moongate.overrides import load_config, preset_names, setting_names, with_overrides


def test_without_preset_and_overrides_the_defaults_hold():
    assert load_config() == RunConfig()


@pytest.mark.parametrize("preset", ["quick", "stable_diffusion_15"])
def test_every_bundled_preset_is_valid_and_changes_something(preset):
    assert preset in preset_names()
    assert load_config(preset) != RunConfig()


def test_no_bundled_preset_is_untested():
    assert preset_names() == ("quick", "stable_diffusion_15")


def test_the_published_dreambooth_settings_are_kept():
    config = load_config("stable_diffusion_15")
    assert (config.train.learning_rate, config.train.prior_weight, config.train.steps) == (5e-6, 1.0, 800)
    assert (config.sample.guidance, config.prior.num_images) == (7.5, 200)


@pytest.mark.parametrize(
    ("override", "section", "name", "value"),
    [
        ("train.steps=10", "train", "steps", 10),
        ("train.learning_rate = 2e-4", "train", "learning_rate", 2e-4),
        ("train.ema_decay=0.99", "train", "ema_decay", 0.99),
        ("train.ema_decay=none", "train", "ema_decay", None),
        ("subject.holdout_folder=none", "subject", "holdout_folder", None),
        ("train.train_text_encoder=true", "train", "train_text_encoder", True),
        ("ingest.background=[0, 128, 255]", "ingest", "background", (0, 128, 255)),
        ("sample.sampler=ddpm", "sample", "sampler", "ddpm"),
        ("subject.folder=2024", "subject", "folder", "2024"),
        ("base.revision=" + "1234567890" * 4, "base", "revision", "1234567890" * 4),
        ("sample.negative_prompt=a = b", "sample", "negative_prompt", "a = b"),
        ("sample.negative_prompt=", "sample", "negative_prompt", ""),
    ],
)
def test_an_override_sets_one_setting_in_its_own_type(override, section, name, value):
    config = load_config(overrides=[override])
    assert getattr(getattr(config, section), name) == value
    rest = config.model_copy(update={section: getattr(RunConfig(), section)})
    assert rest == RunConfig()


def test_a_later_override_wins_over_an_earlier_one_and_over_the_preset():
    assert load_config("quick", ["train.steps=7", "train.steps=8"]).train.steps == 8


def test_a_file_of_ones_own_is_a_preset(tmp_path):
    path = tmp_path / "mug.toml"
    path.write_text('seed = 4\n[subject]\nclass_noun = "mug"\n')
    config = load_config(str(path))
    assert (config.seed, config.subject.class_noun) == (4, "mug")


@pytest.mark.parametrize(
    ("override", "nearest"),
    [("train.step=10", "train.steps"), ("sead=1", "seed"), ("sample.guidence=3", "sample.guidance")],
)
def test_an_unknown_setting_names_the_nearest_one(override, nearest):
    with pytest.raises(ConfigError, match=f"the nearest setting is '{nearest}'"):
        load_config(overrides=[override])


def test_an_unknown_key_in_a_preset_is_named_too(tmp_path):
    path = tmp_path / "typo.toml"
    path.write_text("[train]\nlearning_rat = 1\n")
    with pytest.raises(ConfigError, match=r"train\.learning_rate"):
        load_config(str(path))


@pytest.mark.parametrize("section", ["train=3", "train"])
def test_a_section_is_no_setting(section):
    with pytest.raises(ConfigError):
        load_config(overrides=[section])


def test_a_section_given_as_a_value_in_a_preset_is_refused(tmp_path):
    path = tmp_path / "flat.toml"
    path.write_text("train = 3\n")
    with pytest.raises(ConfigError, match="there is no setting 'train'"):
        load_config(str(path))


def test_all_bad_values_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=["train.steps=0", "sample.sampler=euler", "train.batch_size=many"])
    for setting in ("train.steps = 0", "sample.sampler = 'euler'", "train.batch_size = 'many'"):
        assert setting in str(caught.value)


@pytest.mark.parametrize("preset", ["fast", "missing.toml"])
def test_an_unknown_preset_lists_those_there_are(preset):
    with pytest.raises(ConfigError, match="the bundled presets are quick, stable_diffusion_15"):
        load_config(preset)


def test_a_preset_that_is_not_toml_says_where(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("[train\n")
    with pytest.raises(ConfigError, match="line 1"):
        load_config(str(path))


def test_every_setting_can_be_named():
    names = setting_names()
    assert "train.steps" in names
    assert "seed" in names
    assert len(set(names)) == len(names)


def test_none_in_a_preset_stands_for_no_value(tmp_path):
    path = tmp_path / "alone.toml"
    path.write_text('[subject]\nholdout_folder = "none"\n')
    assert load_config(str(path)).subject.holdout_folder is None


def test_given_settings_keep_what_is_not_overridden():
    settings = RunConfig(seed=5).train.model_copy(update={"batch_size": 2})
    changed = with_overrides(settings, ["steps=7"])
    assert (changed.steps, changed.batch_size) == (7, 2)
    assert changed == settings.model_copy(update={"steps": 7})
