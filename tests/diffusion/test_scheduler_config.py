import inspect
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler

from moongate.diffusion.schedule import NoiseSchedule
from moongate.diffusion.scheduler_config import _LINSPACE_WHEN_ABSENT, SchedulerConfig
from moongate.errors import ModelError

SD1: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "trained_betas": None,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
}


@pytest.mark.parametrize("curve", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_levels_are_those_of_diffusers(curve: str, zero_snr: bool) -> None:
    config = SD1 | {
        "beta_schedule": curve,
        "rescale_betas_zero_snr": zero_snr,
        "prediction_type": "v_prediction",
    }
    theirs = DDIMScheduler.from_config(config)
    ours = NoiseSchedule.from_scheduler_config(config)
    assert ours.alphas_cumprod.dtype == torch.float64
    torch.testing.assert_close(ours.alphas_cumprod.float(), theirs.alphas_cumprod, atol=2e-6, rtol=0)
    assert ours.final_alpha_cumprod == pytest.approx(float(theirs.final_alpha_cumprod), abs=1e-6)


def test_trained_betas_replace_the_curve() -> None:
    betas = torch.linspace(1e-4, 0.3, 20).tolist()
    config = SD1 | {"num_train_timesteps": 20, "trained_betas": betas}
    expected = DDIMScheduler.from_config(config).alphas_cumprod
    ours = NoiseSchedule.from_scheduler_config(config).alphas_cumprod
    torch.testing.assert_close(ours.float(), expected, atol=1e-6, rtol=0)


def test_fields_absent_from_old_files_take_the_meaning_they_have_in_diffusers() -> None:
    old = {
        "_class_name": "PNDMScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "skip_prk_steps": True,
    }
    config = SchedulerConfig.from_mapping(old)
    assert (config.prediction_type, config.timestep_spacing, config.steps_offset) == ("epsilon", "leading", 0)
    assert not config.set_alpha_to_one
    assert SchedulerConfig.from_mapping(old | {"_class_name": "EulerDiscreteScheduler"}).set_alpha_to_one


def test_what_is_written_back_is_read_as_the_same() -> None:
    config = SchedulerConfig.from_mapping(SD1)
    scheduler = DDIMScheduler(**config.as_mapping())
    assert SchedulerConfig.from_mapping(dict(scheduler.config)) == config


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"clip_sample": True}, "clip_sample"),
        ({"thresholding": True}, "thresholding"),
        ({"prediction_type": "sample"}, "x_0"),
        ({"prediction_type": "flow"}, "'flow'"),
        ({"rescale_betas_zero_snr": True}, "zero terminal SNR"),
        ({"timestep_spacing": "karras"}, "'karras'"),
        ({"beta_schedule": "sigmoid"}, "'sigmoid'"),
        ({"beta_start": None}, "beta_start"),
        ({"beta_end": 1.2}, "outside (0, 1]"),
        ({"trained_betas": [0.1, 0.2]}, "2 values for 1000 levels"),
        ({"steps_offset": -1}, "is -1"),
    ],
)
def test_inconsistent_setups_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError) as refusal:
        SchedulerConfig.from_mapping(SD1 | change)
    assert said in str(refusal.value)
    assert "next: " in str(refusal.value)


def test_clipping_by_omission_is_refused() -> None:
    silent = {field: value for field, value in SD1.items() if field != "clip_sample"}
    assert DDIMScheduler.from_config(silent).config.clip_sample
    with pytest.raises(ModelError, match="is absent, which DDIMScheduler takes for true"):
        SchedulerConfig.from_mapping(silent)


@pytest.mark.parametrize(
    "name", sorted(_LINSPACE_WHEN_ABSENT | {"DDIMScheduler", "DDPMScheduler", "PNDMScheduler"})
)
def test_a_spacing_that_is_left_out_is_the_one_of_the_files_own_scheduler(name: str) -> None:
    config = {key: value for key, value in SD1.items() if key != "timestep_spacing"} | {"_class_name": name}
    wanted = inspect.signature(getattr(diffusers, name).__init__).parameters.get("timestep_spacing")
    # The one scheduler without the field spreads its levels evenly.
    assert SchedulerConfig.from_mapping(config).timestep_spacing == (wanted.default if wanted else "linspace")
