"""A diffusers scheduler configuration, read strictly: no field without a value, no silent repair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from moongate.errors import ModelError

PredictionType = Literal["epsilon", "v_prediction"]
TimestepSpacing = Literal["leading", "trailing", "linspace"]
BetaCurve = Literal["linear", "scaled_linear", "squaredcos_cap_v2"]

_WHERE = "scheduler_config.json"
# Schedulers whose files may leave `clip_sample` out and mean True by it.
_CLIPS_WHEN_ABSENT = frozenset(
    {"DDIMScheduler", "DDIMParallelScheduler", "DDPMScheduler", "DDPMParallelScheduler"}
)
# Schedulers whose files may leave `timestep_spacing` out and do not mean "leading" by it.
_LINSPACE_WHEN_ABSENT = frozenset(
    {
        "DEISMultistepScheduler",
        "DPMSolverMultistepScheduler",
        "DPMSolverSinglestepScheduler",
        "EulerAncestralDiscreteScheduler",
        "EulerDiscreteScheduler",
        "HeunDiscreteScheduler",
        "KDPM2AncestralDiscreteScheduler",
        "KDPM2DiscreteScheduler",
        "LMSDiscreteScheduler",
        "SASolverScheduler",
        "UniPCMultistepScheduler",
    }
)
# Schedulers that end at the first training level unless they are told otherwise.
_ENDS_AT_FIRST_LEVEL = frozenset({"PNDMScheduler"})
_UNSUPPORTED_SWITCHES = {
    "clip_sample": "clipping the predicted x_0 is for pixels: it breaks latents and cannot be inverted",
    "thresholding": "dynamic thresholding is for pixels: it breaks latents and cannot be inverted",
}


@dataclass(frozen=True)
class SchedulerConfig:
    """What a noise schedule is made from, under diffusers' field names; no field is left to a default.

    Attributes:
        num_train_timesteps: T, the number of training levels.
        beta_start: the first beta.
        beta_end: the last beta.
        beta_schedule: the curve between them.
        trained_betas: T betas that replace the curve, or None.
        rescale_betas_zero_snr: whether the betas are rescaled to leave no signal at level T - 1.
        set_alpha_to_one: whether the level past the first (t = -1) is clean, or equal to level 0.
        prediction_type: what the network predicts.
        timestep_spacing: how N levels are chosen from T (Lin et al. 2024, table 2).
        steps_offset: added to every level of "leading" spacing.
    """

    num_train_timesteps: int
    beta_start: float
    beta_end: float
    beta_schedule: BetaCurve
    trained_betas: tuple[float, ...] | None
    rescale_betas_zero_snr: bool
    set_alpha_to_one: bool
    prediction_type: PredictionType
    timestep_spacing: TimestepSpacing
    steps_offset: int

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any]) -> SchedulerConfig:
        """Read the JSON object of a `scheduler_config.json`, of any scheduler trained on discrete levels.

        Fields that older files lack take the value that diffusers gives them for that scheduler class.

        Raises:
            ModelError: when a field is missing, malformed, or asks for what is not computed here.
        """
        name = str(config.get("_class_name", "DDIMScheduler"))
        _refuse_unsupported_switches(config, name)
        trained = config.get("trained_betas")
        spacing = "linspace" if name in _LINSPACE_WHEN_ABSENT else "leading"
        parsed = cls(
            num_train_timesteps=int(_required(config, "num_train_timesteps")),
            beta_start=float(_required(config, "beta_start")),
            beta_end=float(_required(config, "beta_end")),
            beta_schedule=_choice(_required(config, "beta_schedule"), "beta_schedule", get_args(BetaCurve)),
            trained_betas=None if trained is None else tuple(float(beta) for beta in trained),
            rescale_betas_zero_snr=bool(config.get("rescale_betas_zero_snr", False)),
            set_alpha_to_one=bool(config.get("set_alpha_to_one", name not in _ENDS_AT_FIRST_LEVEL)),
            prediction_type=_prediction_type(config.get("prediction_type", "epsilon")),
            timestep_spacing=_choice(
                config.get("timestep_spacing", spacing), "timestep_spacing", get_args(TimestepSpacing)
            ),
            steps_offset=int(config.get("steps_offset", 0)),
        )
        parsed._refuse_contradictions()
        return parsed

    def _refuse_contradictions(self) -> None:
        if self.rescale_betas_zero_snr and self.prediction_type == "epsilon":
            raise ModelError(
                "zero terminal SNR cannot be combined with epsilon prediction",
                where=f"{_WHERE}: rescale_betas_zero_snr, prediction_type",
                why="at the last level x_0 = (x - sqrt(1 - alphabar) eps) / sqrt(alphabar) divides by 0",
                fix="set rescale_betas_zero_snr to false, or prediction_type to v_prediction if trained so",
            )
        if self.trained_betas is not None and len(self.trained_betas) != self.num_train_timesteps:
            raise _malformed(
                "trained_betas",
                f"has {len(self.trained_betas)} values for {self.num_train_timesteps} levels",
                "give one beta per training level",
            )
        if self.num_train_timesteps < 1:
            raise _malformed("num_train_timesteps", f"is {self.num_train_timesteps}", "give at least 1 level")
        if self.steps_offset < 0:
            raise _malformed("steps_offset", f"is {self.steps_offset}", "give 0 or a positive offset")
        betas = self.betas()
        if not bool(((betas > 0) & (betas <= 1)).all()):
            raise _malformed(
                "beta_start, beta_end, trained_betas", "some beta is outside (0, 1]", "correct the betas"
            )

    def betas(self) -> Tensor:
        """Return beta_t, (T,) float64."""
        if self.trained_betas is not None:
            betas = torch.tensor(self.trained_betas, dtype=torch.float64)
        else:
            betas = _CURVES[self.beta_schedule](self.beta_start, self.beta_end, self.num_train_timesteps)
        return rescale_zero_terminal_snr(betas) if self.rescale_betas_zero_snr else betas

    def as_mapping(self) -> dict[str, Any]:
        """Return the arguments of diffusers' `DDIMScheduler`: these fields, with what is refused set off."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        trained = None if self.trained_betas is None else list(self.trained_betas)
        return given | {"trained_betas": trained} | dict.fromkeys(_UNSUPPORTED_SWITCHES, False)


def rescale_zero_terminal_snr(betas: Tensor) -> Tensor:
    """Return betas whose last alphabar is 0 and whose first is kept (Lin et al. 2024, algorithm 1).

    Args:
        betas: (T,) float64.

    Returns:
        (T,) float64; the last one is 1.
    """
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    alphas_cumprod = ((root - last) * first / (first - last)).square()
    alphas = torch.cat([alphas_cumprod[:1], alphas_cumprod[1:] / alphas_cumprod[:-1]])
    return 1 - alphas


def _linear(start: float, end: float, count: int) -> Tensor:
    return torch.linspace(start, end, count, dtype=torch.float64)


def _scaled_linear(start: float, end: float, count: int) -> Tensor:
    return torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64).square()


def _squared_cosine(start: float, end: float, count: int) -> Tensor:
    """The cosine schedule (Nichol & Dhariwal 2021, eq. 17), betas capped at 0.999; no start and end."""
    grid = torch.arange(count + 1, dtype=torch.float64) / count
    alphas_cumprod = torch.cos((grid + 0.008) / 1.008 * torch.pi / 2).square()
    return (1 - alphas_cumprod[1:] / alphas_cumprod[:-1]).clamp(max=0.999)


_CURVES: dict[str, Callable[[float, float, int], Tensor]] = {
    "linear": _linear,
    "scaled_linear": _scaled_linear,
    "squaredcos_cap_v2": _squared_cosine,
}


def _required(config: Mapping[str, Any], field: str) -> Any:
    if config.get(field) is None:
        raise _malformed(field, "is missing, and has no value that is right for every model", "add the field")
    return config[field]


def _choice(value: Any, field: str, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise _malformed(field, f"is {value!r}", f"use one of {', '.join(allowed)}")
    return value


def _prediction_type(value: Any) -> PredictionType:
    if value == "sample":
        raise ModelError(
            "models that predict x_0 are not supported",
            where=f"{_WHERE}: prediction_type",
            why="it is 'sample'; only noise (epsilon) and velocity (v_prediction) models are computed",
            fix="use a checkpoint with prediction_type epsilon or v_prediction",
        )
    return _choice(value, "prediction_type", get_args(PredictionType))


def _refuse_unsupported_switches(config: Mapping[str, Any], class_name: str) -> None:
    absent = {"clip_sample": class_name in _CLIPS_WHEN_ABSENT, "thresholding": False}
    for switch, reason in _UNSUPPORTED_SWITCHES.items():
        if config.get(switch, absent[switch]):
            seen = "is true" if switch in config else f"is absent, which {class_name} takes for true"
            raise ModelError(
                f"the scheduler asks for {switch}",
                where=f"{_WHERE}: {switch}",
                why=f"it {seen}; {reason}",
                fix=f'set "{switch}": false in the model\'s scheduler/scheduler_config.json',
            )


def _malformed(field: str, why: str, fix: str) -> ModelError:
    return ModelError(
        "the scheduler configuration cannot be used", where=f"{_WHERE}: {field}", why=why, fix=fix
    )
