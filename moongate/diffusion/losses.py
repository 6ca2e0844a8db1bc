"""Training losses, each per sample until the last one joins them."""

from torch import Tensor

from moongate.diffusion.schedule import NoiseSchedule, signal_and_noise
from moongate.errors import ConfigError


def target(schedule: NoiseSchedule, x_0: Tensor, epsilon: Tensor, timesteps: Tensor) -> Tensor:
    """Return what the network should predict: epsilon, or the velocity v.

    v = sqrt(alphabar_t) epsilon - sqrt(1 - alphabar_t) x_0 (Salimans & Ho 2022, appendix D).

    Args:
        schedule: the noise levels; its `prediction_type` decides.
        x_0: (B, C, h, w) float32.
        epsilon: (B, C, h, w) float32, the noise that `add_noise` put in.
        timesteps: (B,) int64, a level of 0..T-1 for each sample.

    Returns:
        (B, C, h, w) float32.
    """
    if schedule.prediction_type == "epsilon":
        return epsilon
    signal, noise = signal_and_noise(schedule, timesteps, x_0)
    return signal * epsilon - noise * x_0


def simple_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean square error of each sample, (B,) float32 (L_simple, Ho et al. 2020, eq. 14).

    Args:
        prediction: (B, C, h, w), any float dtype; the difference is taken in float32.
        target: (B, C, h, w) float32.
    """
    return (prediction.float() - target.float()).square().flatten(1).mean(dim=1)


def dreambooth_loss(instance: Tensor, prior: Tensor, prior_weight: float) -> Tensor:
    """Return mean(instance) + lambda mean(prior), () float32 (Ruiz et al. 2023, eq. 2).

    Args:
        instance: (B,) float32, losses of pictures of the subject.
        prior: (B',) float32, losses of the base model's own pictures of the class; empty when lambda is 0.
        prior_weight: lambda, 0 or more.

    Raises:
        ConfigError: when lambda is negative, or positive without prior losses.
    """
    if prior_weight < 0 or (prior_weight > 0 and prior.numel() == 0):
        raise ConfigError(
            "prior preservation cannot be computed",
            where="train.prior_weight",
            why=f"the weight is {prior_weight} and there are {prior.numel()} prior losses",
            fix="give a weight of 0 or more, and class images when it is above 0",
        )
    if prior_weight == 0:
        return instance.mean()
    return instance.mean() + prior_weight * prior.mean()
