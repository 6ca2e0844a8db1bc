"""From nothing to the bundled folder: render, train phase by phase, assemble, measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer, ViTModel

from moongate.diffusion.schedule import NoiseSchedule
from moongate.models.devices import resolve_device
from moongate.progress import Progress
from moongate.toybox.judges import JudgeNetwork
from moongate.toybox.pretraining.assembly import Trained, write_bundle
from moongate.toybox.pretraining.autoencoder import (
    AutoencoderObjective,
    DecoderObjective,
    build_autoencoder,
    latent_scale,
)
from moongate.toybox.pretraining.classifiers import JudgeObjective
from moongate.toybox.pretraining.config import PretrainConfig
from moongate.toybox.pretraining.denoiser import (
    DenoiserObjective,
    build_scheduler,
    build_unet,
    encode_pictures,
)
from moongate.toybox.pretraining.figures import measure
from moongate.toybox.pretraining.held_out import HELD_OUT_FROM
from moongate.toybox.pretraining.identity import IdentityObjective, build_identity_encoder
from moongate.toybox.pretraining.language_image import ClipObjective, build_clip
from moongate.toybox.pretraining.phases import (
    Workshop,
    identity_of,
    result_digest,
    seeded_initialisation,
    train_phase,
)
from moongate.toybox.pretraining.renders import RenderedSet, instance_set, vocabulary_set
from moongate.toybox.pretraining.tokenizer import build_tokenizer

SCALE_PICTURES = 2_000


@dataclass(frozen=True)
class Pictures:
    """What the phases learn from and are measured on; held-out seeds are never trained on."""

    vocabulary: RenderedSet
    instances: RenderedSet
    held_out: RenderedSet


def pretrain(config: PretrainConfig, output: Path, work: Path, progress: Progress) -> Path:
    """Train all bundled models and write them, with their measured figures, to `output`.

    A phase that a dead process left unfinished goes on from its last checkpoint in `work`; a finished one is
    read back. Running the same command again is therefore how an interrupted pretraining is resumed.

    Returns:
        `output`, holding `base/` (a diffusers folder), `clip/`, `identity/`, `judges/` and `model_card.md`.
    """
    workshop = Workshop(work, resolve_device(config.device), config.precision, progress)
    pictures = render_pictures(config, workshop)
    tokenizer = build_tokenizer()
    vae = train_autoencoder(config, pictures, workshop)
    clip = train_clip(config, pictures, tokenizer, workshop)
    unet, text_encoder = train_denoiser(config, pictures, vae, clip, tokenizer, workshop)
    refine_decoder(config, pictures, vae, workshop)
    judges = train_judges(config, pictures, workshop)
    identity = train_identity(config, workshop)
    trained = Trained(vae, unet, text_encoder, tokenizer, build_scheduler(), clip, identity, judges)
    write_bundle(trained, output)
    measure(output, pictures.held_out, config, progress)
    return output


def render_pictures(config: PretrainConfig, workshop: Workshop) -> Pictures:
    """Render every picture the phases need."""
    cache = workshop.folder / "renders"
    held_out = range(HELD_OUT_FROM, HELD_OUT_FROM + config.held_out)
    return Pictures(
        vocabulary_set(range(config.pictures), cache, workshop.progress),
        instance_set(range(config.instance_pictures), cache, workshop.progress),
        vocabulary_set(held_out, cache, workshop.progress),
    )


def train_autoencoder(config: PretrainConfig, pictures: Pictures, workshop: Workshop) -> AutoencoderKL:
    """Train the VAE and set its scaling factor from the latents of the training pictures."""
    phase = config.autoencoder

    def build() -> AutoencoderObjective:
        with seeded_initialisation(config.seed):
            vae = build_autoencoder()
        sets = [pictures.vocabulary, pictures.instances]
        return AutoencoderObjective(vae, sets, phase.batch_size, config.kl_weight, config.seed + 1)

    identity = identity_of(
        "autoencoder", phase, config.seed, config.kl_weight, config.pictures, config.instance_pictures
    )
    vae = train_phase("autoencoder", phase, identity, build, workshop).vae
    some = RenderedSet(
        pictures.vocabulary.specs[:SCALE_PICTURES], pictures.vocabulary.images[:SCALE_PICTURES]
    )
    vae.register_to_config(scaling_factor=latent_scale(vae, some))
    return vae


def refine_decoder(
    config: PretrainConfig, pictures: Pictures, vae: AutoencoderKL, workshop: Workshop
) -> None:
    """Train the VAE's decoder for longer, in place, with the encoder and so the latents as they are."""
    phase = config.decoder

    def build() -> DecoderObjective:
        sets = [pictures.vocabulary, pictures.instances]
        return DecoderObjective(vae, sets, phase.batch_size, config.seed + 6)

    identity = identity_of("decoder", phase, config.seed, result_digest(workshop, "autoencoder"))
    train_phase("decoder", phase, identity, build, workshop)


def train_clip(
    config: PretrainConfig, pictures: Pictures, tokenizer: CLIPTokenizer, workshop: Workshop
) -> CLIPModel:
    """Train the CLIP pair."""
    phase = config.clip

    def build() -> ClipObjective:
        with seeded_initialisation(config.seed + 1):
            clip = build_clip(tokenizer)
        sets = [pictures.vocabulary, pictures.instances]
        return ClipObjective(clip, tokenizer, sets, phase.batch_size, config.seed + 2)

    identity = identity_of("clip", phase, config.seed, config.pictures, config.instance_pictures)
    return train_phase("clip", phase, identity, build, workshop).clip


def train_judges(config: PretrainConfig, pictures: Pictures, workshop: Workshop) -> JudgeNetwork:
    """Train the judges on renders alone."""
    phase = config.judges

    def build() -> JudgeObjective:
        with seeded_initialisation(config.seed + 2):
            network = JudgeNetwork()
        return JudgeObjective(network, pictures.vocabulary, phase.batch_size, config.seed + 3)

    identity = identity_of("judges", phase, config.seed, config.pictures)
    return train_phase("judges", phase, identity, build, workshop).network


def train_identity(config: PretrainConfig, workshop: Workshop) -> ViTModel:
    """Train the identity encoder on views drawn as it goes."""
    phase = config.identity

    def build() -> IdentityObjective:
        with seeded_initialisation(config.seed + 3):
            return IdentityObjective(build_identity_encoder(), phase.batch_size, config.seed + 4)

    return train_phase(
        "identity", phase, identity_of("identity", phase, config.seed), build, workshop
    ).encoder


def train_denoiser(
    config: PretrainConfig,
    pictures: Pictures,
    vae: AutoencoderKL,
    clip: CLIPModel,
    tokenizer: CLIPTokenizer,
    workshop: Workshop,
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Train the U-Net and its text tower, which starts from CLIP's."""
    phase = config.denoiser
    latents = training_latents(pictures, vae, workshop)
    schedule = NoiseSchedule.from_scheduler_config(dict(build_scheduler().config))

    def build() -> DenoiserObjective:
        with seeded_initialisation(config.seed + 4):
            unet = build_unet()
            text_encoder = CLIPTextModel(clip.config.text_config)
        text_encoder.load_state_dict(text_tower_weights(clip, text_encoder))
        return DenoiserObjective(
            unet,
            text_encoder,
            tokenizer,
            schedule,
            pictures.vocabulary,
            latents,
            phase.batch_size,
            config.seed + 5,
        )

    upstream = (config.seed, result_digest(workshop, "autoencoder"), result_digest(workshop, "clip"))
    objective = train_phase("denoiser", phase, identity_of("denoiser", phase, *upstream), build, workshop)
    return objective.unet, objective.text_encoder


def training_latents(pictures: Pictures, vae: AutoencoderKL, workshop: Workshop) -> Tensor:
    """Return the latents of the training pictures, (N, 4, 16, 16) float32; encoded once per autoencoder."""
    name = f"{result_digest(workshop, 'autoencoder')}-{len(pictures.vocabulary)}.safetensors"
    path = workshop.folder / "latents" / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"latents": encode_pictures(vae, pictures.vocabulary, workshop.progress)}, path)
    return load_file(path)["latents"]


def text_tower_weights(clip: CLIPModel, text_encoder: CLIPTextModel) -> dict[str, Tensor]:
    """Return the weights of CLIP's text tower under the names that a lone text encoder uses."""
    tower = clip.text_model.state_dict()
    wanted = text_encoder.state_dict()
    return {name: tower[name.removeprefix("text_model.")].clone() for name in wanted}
