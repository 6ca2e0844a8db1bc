"""What a night is simulated with beside what was measured here: each figure with its source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """A device.

    Attributes:
        unet_per_s: samples of Stable Diffusion 1.5 at 512 x 512 that go through the UNet a second.
        source: where that comes from.
    """

    name: str
    unet_per_s: float
    source: str


@dataclass(frozen=True)
class Figure:
    """An assumed or published number; the page prints name, value, unit and source."""

    name: str
    value: float
    unit: str
    source: str


# 31.19 iterations a second at batch size 1 under guidance, which are two samples each, decoding included.
A100 = Gpu(
    "A100 80 GB",
    62.4,
    "published: 31.19 guided steps a second at batch size 1, diffusers on torch 2.1 with SDPA, end to end, "
    "github.com/fal-ai/stable-diffusion-benchmarks",
)
TRAINING_FACTOR = Figure(
    "samples through the UNet that one training sample costs",
    3.0,
    "",
    "assumed: the backward pass costs twice the forward pass",
)
UNET_BYTES = Figure(
    "weights of the tuned UNet",
    4 * 859_520_964,
    "bytes",
    "published: 859,520,964 parameters of Stable Diffusion 1.5's UNet, kept in float32; the other parts "
    "of an exported model come on top",
)
PIXELS_FACTOR = Figure(
    "pixels of a picture, against the toybox's",
    (512 / 64) ** 2,
    "",
    "follows from 512 x 512 against 64 x 64; PNGs and latents are taken to grow in proportion",
)
STORE_RATE = Figure(
    "store, bytes written a second by all hosts together",
    1e9,
    "bytes/s",
    "assumed: one NFS server on a 10 Gbit/s line",
)
FAST_STORE_RATE = Figure(
    "fast store, likewise",
    5e9,
    "bytes/s",
    "assumed: a parallel file system of several servers",
)
SERVER_RATE = Figure(
    "Prefect server on Postgres, requests and events a second",
    200.0,
    "1/s",
    "assumed: one server process; measure yours before you rely on it",
)
PROGRESS_EVERY = Figure(
    "seconds between two updates of a stage's progress, where it says so",
    30.0,
    "s",
    "chosen: `MOONGATE_PROGRESS_EVERY_S=30` for the workers",
)
NIGHT_HOURS = Figure("a night", 8.0, "hours", "assumed")
SUBJECTS = Figure("subjects a night", 10_000, "", "the question")
CLASSES = Figure("class nouns among them", 100, "", "assumed; what depends on the class alone is made once")
ASSUMED = (
    TRAINING_FACTOR,
    UNET_BYTES,
    PIXELS_FACTOR,
    STORE_RATE,
    FAST_STORE_RATE,
    SERVER_RATE,
    PROGRESS_EVERY,
    NIGHT_HOURS,
    SUBJECTS,
    CLASSES,
)
