"""References: what stages hand to one another instead of tensors, models or paths."""

import re
from dataclasses import dataclass
from typing import ClassVar

_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Ref:
    """The content address of one artifact.

    Attributes:
        digest: sha256 of the recipe that made the artifact, 64 lower-case hex digits.

    Raises:
        ValueError: when `digest` is anything else.
    """

    kind: ClassVar[str] = "artifact"
    digest: str

    def __post_init__(self) -> None:
        if not _HEX64.fullmatch(self.digest):
            raise ValueError(f"{type(self).__name__} needs 64 lower-case hex digits, got {self.digest!r}")


@dataclass(frozen=True)
class ImageSetRef(Ref):
    """Pictures with captions: `images.parquet`."""

    kind: ClassVar[str] = "image_set"


@dataclass(frozen=True)
class LatentSetRef(Ref):
    """VAE posteriors and text embeddings of an image set, in safetensors shards with a Parquet index."""

    kind: ClassVar[str] = "latent_set"


@dataclass(frozen=True)
class AdapterRef(Ref):
    """What personalization changed in a base model, with its training record."""

    kind: ClassVar[str] = "adapter"


@dataclass(frozen=True)
class InversionsRef(Ref):
    """Inverted latents of an image set, with their measured reconstruction error."""

    kind: ClassVar[str] = "inversions"


@dataclass(frozen=True)
class SampleSetRef(Ref):
    """Images drawn by a model: `samples.parquet`."""

    kind: ClassVar[str] = "sample_set"


@dataclass(frozen=True)
class MetricsRef(Ref):
    """Measured figures: `metrics.parquet` and `summary.parquet`."""

    kind: ClassVar[str] = "metrics"
