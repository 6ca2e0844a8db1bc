"""Which pictures a sample set holds: prompts x seeds, or one a picture that was inverted. No torch here."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from moongate.artifacts.inverted import InversionCard, InvertedPicture
from moongate.prompts import INVERSION, SUBJECT, TRUTH_COLUMNS, PromptRow
from moongate.settings import Settings

FROM_NOISE = "noise"
SAMPLES_NAME = "samples.parquet"


@dataclass(frozen=True)
class RequestedPrompt:
    """A prompt as it is drawn: its row, its finished text, and the number of its pictures."""

    row: PromptRow
    text: str
    pictures: int


class SampleSettings(Settings):
    """What decides a sample set; how many pictures are drawn at once does not.

    `subject` and `class_noun` are set for pictures from inverted latents only: captions become their prompts.
    """

    precision: str
    seed: int
    first_seed: int
    steps: int
    sampler: Literal["ddim", "ddpm"]
    eta: float
    guidance: float
    guidance_rescale: float
    guidance_start: float
    guidance_stop: float
    negative_prompt: str
    prompts: tuple[RequestedPrompt, ...]
    subject: str | None
    class_noun: str | None


@dataclass(frozen=True)
class PlannedPicture:
    """One picture of a sample set.

    Attributes:
        sample_id: names it within its set, and keys its noise: the prompt's id and the seed.
        row: its prompt.
        prompt: the finished text.
        seed: its seed.
        source: "noise", or "inversion:<image_id>".
    """

    sample_id: str
    row: PromptRow
    prompt: str
    seed: int
    source: str


def from_prompts(settings: SampleSettings) -> Iterator[PlannedPicture]:
    """Yield the pictures of each prompt, one a seed."""
    for requested in settings.prompts:
        for seed in range(settings.first_seed, settings.first_seed + requested.pictures):
            sample_id = f"{requested.row.prompt_id}-{seed}"
            yield PlannedPicture(sample_id, requested.row, requested.text, seed, FROM_NOISE)


def from_inversions(settings: SampleSettings, card: InversionCard) -> Iterator[PlannedPicture]:
    """Yield one picture for each that was inverted, the subject in the place of what its caption names."""
    class_noun, subject = str(settings.class_noun), str(settings.subject)
    for picture in card.pictures:
        row = swapped_prompt(picture, class_noun)
        seed = settings.first_seed
        source = f"{INVERSION}:{picture.image_id}"
        yield PlannedPicture(f"{picture.image_id}-{seed}", row, row.text(subject), seed, source)


def swapped_prompt(picture: InvertedPicture, class_noun: str) -> PromptRow:
    """Return the picture's prompt with `{subject}` where it names its object.

    The object is the metadata column "object" where there is one, else the class noun. A prompt that mentions
    neither keeps its words: what tuning does to such a picture is worth seeing, too.
    """
    metadata = json.loads(picture.extra)
    truth = {name: metadata.get(name) for name in TRUTH_COLUMNS}
    row = PromptRow(
        picture.image_id,
        picture.prompt,
        INVERSION,
        **{name: word if isinstance(word, str) else None for name, word in truth.items()},
    )
    noun = row.object or class_noun
    template, found = re.subn(
        rf"\b{re.escape(noun)}\b", SUBJECT, picture.prompt, count=1, flags=re.IGNORECASE
    )
    return replace(row, template=template, object=class_noun) if found else row
