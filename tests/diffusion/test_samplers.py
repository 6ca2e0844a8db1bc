from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor

from moongate.diffusion.noise import gaussian_batch
from moongate.diffusion.samplers import Ddim, Ddpm, sample
from moongate.diffusion.schedule import NoiseSchedule, TransitionTable, timestep_table
from moongate.errors import ConfigError
from tests.diffusion.test_scheduler_config import SD1

SHAPE = (4, 8, 8)


def recorded_outputs(table: TransitionTable) -> dict[int, Tensor]:
    """Network outputs for each level of the table, the same whatever the state is."""
    return {row.t_source: gaussian_batch(SHAPE, 0, "output", [0, 1], row.t_source) for row in table.rows}


def step_noise(step: int) -> Tensor:
    return gaussian_batch(SHAPE, 0, "step", [0, 1], step)


def assert_close_for_each(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        # The tolerance is for states of order 1; at the clean end they are of order 10 with recorded outputs.
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("ends_clean", [False, True])
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("num_steps", [5, 20, 50])
def test_ddim_is_that_of_diffusers_step_by_step(
    prediction_type: str, spacing: str, ends_clean: bool, eta: float, num_steps: int
) -> None:
    config = SD1 | {
        "prediction_type": prediction_type,
        "timestep_spacing": spacing,
        "set_alpha_to_one": ends_clean,
    }
    schedule = NoiseSchedule.from_scheduler_config(config)
    table = timestep_table(schedule, num_steps)
    outputs = recorded_outputs(table)
    z_T = gaussian_batch(SHAPE, 0, "z_T", [0, 1])
    ours: list[Tensor] = []
    sample(
        lambda x, t: outputs[t],
        z_T,
        schedule,
        table,
        sampler=Ddim(eta),
        noise=step_noise,
        on_step=lambda i, x: ours.append(x),
    )
    scheduler = DDIMScheduler.from_config(config)
    scheduler.set_timesteps(num_steps)
    x, theirs = z_T, []
    for i, t in enumerate(scheduler.timesteps.tolist()):
        noise = step_noise(i) if eta > 0 else None
        x = scheduler.step(outputs[t], t, x, eta=eta, variance_noise=noise).prev_sample
        theirs.append(x)
    assert_close_for_each(ours, theirs)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("num_steps", [5, 20, 50])
def test_ddpm_is_that_of_diffusers_step_by_step(prediction_type: str, spacing: str, num_steps: int) -> None:
    config = SD1 | {"prediction_type": prediction_type, "timestep_spacing": spacing}
    schedule = NoiseSchedule.from_scheduler_config(config)
    table = timestep_table(schedule, num_steps)
    outputs = recorded_outputs(table)
    scheduler = DDPMScheduler.from_config(config | {"_class_name": "DDPMScheduler"})
    scheduler.set_timesteps(num_steps)
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(2, *SHAPE, generator=generator) for _ in range(num_steps)]
    generator.manual_seed(0)
    x = z_T = gaussian_batch(SHAPE, 0, "z_T", [0, 1])
    theirs = []
    for t in scheduler.timesteps.tolist():
        x = scheduler.step(outputs[t], t, x, generator=generator).prev_sample
        theirs.append(x)
    ours: list[Tensor] = []
    sample(
        lambda x, t: outputs[t],
        z_T,
        schedule,
        table,
        sampler=Ddpm(),
        noise=lambda i: drawn[i],
        on_step=lambda i, x: ours.append(x),
    )
    assert_close_for_each(ours, theirs)


def ideal_epsilon(schedule: NoiseSchedule, variance: float) -> Any:
    """The noise to expect at (x, t) when the data are normal with this variance."""

    def denoise(x: Tensor, t: int) -> Tensor:
        a = schedule.alpha_bar(t)
        return x * (1 - a) ** 0.5 / (a * variance + 1 - a)

    return denoise


@pytest.mark.parametrize("sampler", [Ddim(), Ddim(eta=0.5), Ddim(eta=1.0), Ddpm()])
def test_samples_of_the_ideal_network_have_the_variance_of_the_data(sampler: Ddim | Ddpm) -> None:
    schedule = NoiseSchedule.from_scheduler_config(SD1 | {"timestep_spacing": "trailing"})
    table = timestep_table(schedule, 200)
    z_T = torch.randn(20000, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    z_0 = sample(
        ideal_epsilon(schedule, 0.25),
        z_T,
        schedule,
        table,
        sampler=sampler,
        noise=lambda i: torch.randn(z_T.shape, generator=torch.Generator().manual_seed(i + 1)),
    )
    assert z_0.std() == pytest.approx(0.5, rel=0.04)


def test_zero_terminal_snr_is_sampled_with_v_prediction() -> None:
    config = SD1 | {
        "rescale_betas_zero_snr": True,
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
    }
    schedule = NoiseSchedule.from_scheduler_config(config)
    z_T = gaussian_batch(SHAPE, 0, "z_T", [0])
    for sampler in (Ddim(), Ddim(1.0), Ddpm()):
        noise = lambda i: gaussian_batch(SHAPE, 0, "step", [0], i)  # noqa: E731
        z_0 = sample(
            lambda x, t: x * 0.5, z_T, schedule, timestep_table(schedule, 10), sampler=sampler, noise=noise
        )
        assert z_0.isfinite().all()


def test_noise_is_never_drawn_behind_the_callers_back() -> None:
    schedule = NoiseSchedule.from_scheduler_config(SD1)
    table = timestep_table(schedule, 3)
    z_T = gaussian_batch(SHAPE, 0, "z_T", [0])
    with pytest.raises(ConfigError, match="none is given"):
        sample(lambda x, t: x, z_T, schedule, table, sampler=Ddim(eta=0.1))


def test_eta_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="eta is out of range"):
        Ddim(eta=1.5)
