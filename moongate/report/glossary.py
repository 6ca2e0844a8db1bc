"""What each metric is called on the page and what it means in plain words."""

from dataclasses import dataclass
from typing import Literal

Section = Literal["metrics", "judges", "inversion"]


@dataclass(frozen=True)
class MetricGuide:
    """How to read the metrics whose id begins with `key`.

    Attributes:
        key: the beginning of the metric's id, whole dotted parts.
        label: its name on the page.
        meaning: what it says, in plain words.
        section: the table it stands in.
        closes_distance: from the base model to real pictures is a way of which a share can be gone.
        places: decimals.
    """

    key: str
    label: str
    meaning: str
    section: Section = "metrics"
    closes_distance: bool = False
    places: int = 3

    @property
    def is_share(self) -> bool:
        """Whether the value is a share of pictures, shown in percent."""
        return self.section == "judges"


SUBJECT_FIDELITY = MetricGuide(
    "subject_fidelity.identity",
    "Subject fidelity",
    "How much a picture looks like this very subject: mean cosine between its identity features and those of "
    "every training picture. The role that DINO plays in DreamBench. Real pictures are the held-out ones.",
    closes_distance=True,
)
SUBJECT_FIDELITY_CLIP = MetricGuide(
    "subject_fidelity.clip",
    "Subject fidelity (CLIP-I)",
    "The same comparison with CLIP's image features, which look at content more than at identity.",
    closes_distance=True,
)
PROMPT_FIDELITY = MetricGuide(
    "prompt_fidelity",
    "Prompt fidelity (CLIP-T)",
    "How well a picture fits its prompt: cosine of CLIP's image and text features, not rescaled. The prompt "
    "is read with the class noun alone, for CLIP does not know the identifier.",
)
CLASS_RESEMBLANCE = MetricGuide(
    "class_resemblance",
    "Class resemblance (PRES)",
    "How much plain class pictures look like the subject. When it rises, the class turns into the subject.",
)
DIVERSITY = MetricGuide(
    "diversity",
    "Diversity (DIV)",
    "How different the pictures of one prompt are from each other: mean distance over pairs. When it "
    "falls, the model repeats itself.",
)
COPY = MetricGuide(
    "copy",
    "Copy score",
    "Closeness of a whole picture, scene and all, to its nearest training picture, less how close those "
    "are to each other. Far above the real pictures’ value, training pictures are being repeated.",
)
CLASS_DIVERSITY = MetricGuide(
    "class_diversity",
    "Class diversity",
    "How different plain class pictures are from each other. When it falls, the class has lost variety.",
)
_OTHERS = (
    CLASS_DIVERSITY,
    MetricGuide(
        "class_kid",
        "Class distribution (KID)",
        "Distance between plain class pictures of a model and the base model's own. Zero means that the "
        "class is drawn as before; the estimate is unbiased, so small values may be negative.",
        places=4,
    ),
    DIVERSITY,
    COPY,
)
_JUDGES = tuple(
    MetricGuide(
        f"judge_{attribute}",
        f"Right {attribute}",
        f"Share of pictures in which the classifier sees the {attribute} that the prompt asked for.",
        section="judges",
    )
    for attribute in ("object", "colour", "scene")
)
REFINED_GAP = MetricGuide(
    "inversion_gap_db.fixed_point",
    "Refined, dB below the limit",
    "What refined inversion loses.",
    section="inversion",
    places=2,
)
_INVERSION = (
    MetricGuide(
        "inversion_psnr.vae_floor",
        "Limit, PSNR in dB",
        "The original through the autoencoder and back, without any diffusion. No inversion can do better.",
        section="inversion",
        places=2,
    ),
    MetricGuide(
        "inversion_psnr.plain",
        "Plain, PSNR in dB",
        "Run backwards to noise once, then drawn again.",
        section="inversion",
        places=2,
    ),
    MetricGuide(
        "inversion_psnr.fixed_point",
        "Refined, PSNR in dB",
        "Each backward step repeated until it agrees with the forward step.",
        section="inversion",
        places=2,
    ),
    MetricGuide(
        "inversion_gap_db.plain",
        "Plain, dB below the limit",
        "What plain inversion loses.",
        section="inversion",
        places=2,
    ),
    REFINED_GAP,
    MetricGuide(
        "inversion_ssim.vae_floor", "Limit, SSIM", "The autoencoder alone; 1 is identical.", "inversion"
    ),
    MetricGuide("inversion_ssim.plain", "Plain, SSIM", "Structural similarity; 1 is identical.", "inversion"),
    MetricGuide("inversion_ssim.fixed_point", "Refined, SSIM", "Structural similarity.", "inversion"),
)
GUIDES = (
    SUBJECT_FIDELITY,
    SUBJECT_FIDELITY_CLIP,
    PROMPT_FIDELITY,
    CLASS_RESEMBLANCE,
    *_OTHERS,
    *_JUDGES,
    *_INVERSION,
)


def guide_for(metric: str) -> MetricGuide:
    """The guide with the longest key that `metric` begins with; without one it is shown under its own id."""
    fitting = [guide for guide in GUIDES if metric == guide.key or metric.startswith(f"{guide.key}.")]
    if fitting:
        return max(fitting, key=lambda guide: len(guide.key))
    return MetricGuide(metric, metric, "This metric has no explanation here yet.")


def variant_of(metric: str) -> str:
    """What the id says beyond the guide's key: variant and extractor; empty when nothing."""
    return metric.removeprefix(guide_for(metric).key).lstrip(".")
