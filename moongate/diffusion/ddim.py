"""One move between two noise levels, in either direction.

DDIM's move (Song et al. 2021, eq. 12) needs only a predicted x_0 and epsilon and the level to go to. Towards
less noise it is sampling; towards more noise, with sigma = 0, it is inversion. There is no second formula.
Coefficients are Python floats (float64); tensors are float32 or float64, and what comes out is what went in.
"""

from math import sqrt

from torch import Tensor

from moongate.diffusion.scheduler_config import PredictionType


def predict_x0_epsilon(
    model_output: Tensor, x: Tensor, alpha_bar: float, prediction_type: PredictionType
) -> tuple[Tensor, Tensor]:
    """Return the x_0 and epsilon that a network's output implies.

    epsilon models: x_0 = (x - sqrt(1 - a) eps) / sqrt(a), which is eq. 9 of Song et al. 2021 (DDIM).
    v models: x_0 = sqrt(a) x - sqrt(1 - a) v, eps = sqrt(a) v + sqrt(1 - a) x (Salimans & Ho 2022, app. D).

    Args:
        model_output: (B, C, h, w) float, the network's output at (x, t).
        x: (B, C, h, w) float, the state that the network saw.
        alpha_bar: alphabar_t of the level that the network was told, in (0, 1] for epsilon, [0, 1] for v.
        prediction_type: what the network predicts.
    """
    epsilon = predict_epsilon(model_output, x, alpha_bar, prediction_type)
    if prediction_type == "epsilon":
        return remove_noise(x, epsilon, alpha_bar), epsilon
    return sqrt(alpha_bar) * x - sqrt(1 - alpha_bar) * model_output, epsilon


def predict_epsilon(
    model_output: Tensor, x: Tensor, alpha_bar: float, prediction_type: PredictionType
) -> Tensor:
    """Return the epsilon alone of `predict_x0_epsilon`, (B, C, h, w) float; any level will do."""
    if prediction_type == "epsilon":
        return model_output
    return sqrt(alpha_bar) * model_output + sqrt(1 - alpha_bar) * x


def remove_noise(x: Tensor, epsilon: Tensor, alpha_bar: float) -> Tensor:
    """Return x_0 = (x - sqrt(1 - a) epsilon) / sqrt(a), (B, C, h, w) float, for a level a above 0."""
    return (x - sqrt(1 - alpha_bar) * epsilon) / sqrt(alpha_bar)


def ddim_sigma(a_s: float, a_d: float, eta: float) -> float:
    """Return sigma = eta sqrt((1 - a_d) / (1 - a_s)) sqrt(1 - a_s / a_d) (Song et al. 2021, eq. 16).

    Args:
        a_s: alphabar of the source level.
        a_d: alphabar of the destination level, not below a_s unless eta is 0.
        eta: 0 is deterministic, 1 is DDPM.
    """
    if eta == 0 or a_d == 1:
        return 0.0
    return eta * sqrt((1 - a_d) / (1 - a_s)) * sqrt(1 - a_s / a_d)


def ddim_transition(
    x_0: Tensor, epsilon: Tensor, a_d: float, sigma: float = 0.0, noise: Tensor | None = None
) -> Tensor:
    """Return x_d = sqrt(a_d) x_0 + sqrt(1 - a_d - sigma^2) epsilon + sigma noise (Song et al. 2021, eq. 12).

    Args:
        x_0: (B, C, h, w) float, predicted at the source level.
        epsilon: (B, C, h, w) float, predicted likewise.
        a_d: alphabar of the destination level.
        sigma: from `ddim_sigma`; 0 is deterministic, and always so when inverting.
        noise: (B, C, h, w) float, standard normal; needed when sigma is above 0.
    """
    x_d = sqrt(a_d) * x_0 + sqrt(max(1 - a_d - sigma**2, 0.0)) * epsilon
    if sigma == 0:
        return x_d
    if noise is None:
        raise ValueError("a move with sigma above 0 needs noise")
    return x_d + sigma * noise


def ddpm_sigma(a_s: float, a_d: float) -> float:
    """Return sqrt((1 - a_d) / (1 - a_s) beta) with beta = 1 - a_s / a_d (Ho et al. 2020, eq. 7)."""
    return sqrt((1 - a_d) / (1 - a_s) * (1 - a_s / a_d))


def ddpm_transition(x_s: Tensor, x_0: Tensor, a_s: float, a_d: float, noise: Tensor | None = None) -> Tensor:
    """Return a draw of q(x_d | x_s, x_0), the step of Ho et al. 2020, algorithm 2.

    The mean is eq. 7, which with x_0 from epsilon is line 4 of the algorithm, and also holds at
    a_s = 0. Over a sub-sequence of levels alpha = a_s / a_d takes the place of alpha_t.

    Args:
        x_s: (B, C, h, w) float, the state at the source level.
        x_0: (B, C, h, w) float, predicted there.
        a_s: alphabar of the source level, below 1.
        a_d: alphabar of the destination level, not below a_s.
        noise: (B, C, h, w) float, standard normal; needed unless a_d is 1.
    """
    alpha = a_s / a_d
    of_x_0 = sqrt(a_d) * (1 - alpha) / (1 - a_s)
    of_x_s = sqrt(alpha) * (1 - a_d) / (1 - a_s)
    mean = of_x_0 * x_0 + of_x_s * x_s
    sigma = ddpm_sigma(a_s, a_d)
    if sigma == 0:
        return mean
    if noise is None:
        raise ValueError("a move with sigma above 0 needs noise")
    return mean + sigma * noise
