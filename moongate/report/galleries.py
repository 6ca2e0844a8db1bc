"""The sections made of pictures."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from moongate.metrics.rows import MetricRow
from moongate.report.evidence import Evidence, InversionResult, Shot, SubjectPicture
from moongate.report.glossary import PROMPT_FIDELITY, SUBJECT_FIDELITY, guide_for
from moongate.report.numbers import decibels, decimal
from moongate.report.pictures import thumbnail
from moongate.report.views import (
    Figure,
    GallerySection,
    InversionSection,
    Missing,
    PairSection,
    PromptGroup,
    PromptRow,
    SamplesSection,
    SubjectSection,
)

SEEDS_SHOWN = 4
CLASS_SHOWN = 16
INVERSIONS_SHOWN = 6
INVERTED_SHOWN = 8
LEAD_TRAINING = 5
LEAD_SAMPLES = 6

KINDS = {
    "recontextualization": (
        "Places",
        "The subject in each scene, those of its training pictures among them.",
    ),
    "accessory": (
        "With something on",
        "The subject wearing or beside something that its pictures do not show.",
    ),
    "property": ("Changed properties", "The subject with another colour, size or surface."),
}
PLAIN = "plain"
INVERSION = "inversion:"
METHODS = {PLAIN: "plain", "fixed_point": "refined"}


def subject_section(evidence: Evidence) -> SubjectSection | Missing:
    """Training and held-out pictures with their captions."""
    if not evidence.training:
        return Missing("This run has no ingested pictures of the subject.")
    return SubjectSection(
        _subject_figures(evidence.training, "Training picture"),
        _subject_figures(evidence.holdout, "Held-out picture"),
    )


def lead_training(evidence: Evidence) -> tuple[Figure, ...]:
    """The first training pictures, without captions, for the top of the page."""
    pictures = evidence.training[:LEAD_TRAINING]
    return tuple(
        Figure(thumbnail(picture.png, f"Training picture {picture.file_name}: {picture.text}"), "")
        for picture in pictures
    )


def lead_samples(evidence: Evidence) -> tuple[Figure, ...]:
    """The first seed of prompts spread evenly over the set: taken by position and not by looks."""
    shots = evidence.drawn("tuned")
    first_seed = min((shot.seed for shot in shots), default=0)
    firsts = [shot for shot in shots if shot.seed == first_seed]
    count = min(LEAD_SAMPLES, len(firsts))
    spread = [firsts[index * len(firsts) // count] for index in range(count)]
    return tuple(_shot_figure(shot, "Tuned model", shot.prompt) for shot in spread)


def samples_section(evidence: Evidence) -> SamplesSection | Missing:
    """Every prompt drawn by the tuned model beside the base model, grouped by kind."""
    drawn = evidence.drawn("tuned")
    if not drawn:
        return Missing("This run drew no samples with the tuned model.")
    seeds = {shot.seed for shot in drawn}
    base = _by_prompt(evidence.drawn("base"))
    scores = _scores_by_prompt(evidence.picture_scores)
    rows: dict[str, list[PromptRow]] = defaultdict(list)
    for prompt_id, shots in _by_prompt(drawn).items():
        rows[shots[0].kind].append(_prompt_row(prompt_id, shots, base.get(prompt_id, []), scores))
    groups = [PromptGroup(*_kind_words(kind), tuple(rows[kind])) for kind in _kind_order(rows)]
    note = "" if len(seeds) <= SEEDS_SHOWN else f"The first {SEEDS_SHOWN} of {len(seeds)} seeds are shown."
    return SamplesSection(tuple(groups), min(len(seeds), SEEDS_SHOWN), note)


def class_section(evidence: Evidence) -> PairSection | Missing:
    """The plain class before and after, from the same seeds."""
    before, after = evidence.class_pictures("base"), evidence.class_pictures("tuned")
    if not before or not after:
        return Missing("This run drew no plain class pictures with both models.")
    prompt = evidence.run.class_prompt
    total = max(len(before), len(after))
    note = "" if total <= CLASS_SHOWN else f"The first {CLASS_SHOWN} of {total} are shown."
    return PairSection(
        prompt,
        _strip(before, "Base model", CLASS_SHOWN),
        _strip(after, "Tuned model", CLASS_SHOWN),
        SEEDS_SHOWN,
        note,
    )


def inversion_section(evidence: Evidence) -> InversionSection | Missing:
    """Originals, the autoencoder's floor, and every method under both models."""
    if not evidence.inversions:
        return Missing("This run inverted no evaluation images.")
    by_image: dict[str, list[InversionResult]] = defaultdict(list)
    for row in evidence.inversions:
        by_image[row.image_id].append(row)
    rows = tuple(
        _inversion_row(image_id, by_image[image_id]) for image_id in list(by_image)[:INVERSIONS_SHOWN]
    )
    note = "" if len(rows) == len(by_image) else f"The first {len(rows)} of {len(by_image)} images are shown."
    floor = decibels(_mean_db([found[0].floor_psnr_db for found in by_image.values()]))
    return InversionSection(rows, floor, len(rows[0]), note)


def inverted_samples_section(evidence: Evidence) -> GallerySection | Missing:
    """Pictures that the tuned model drew from latents inverted under the base model."""
    shots = evidence.from_inversions("tuned")[:INVERTED_SHOWN]
    if not shots:
        return Missing("This run drew no samples from inverted latents.")
    originals = {f"{INVERSION}{row.image_id}": row for row in evidence.inversions}
    figures = []
    for shot in shots:
        if original := originals.get(shot.source):
            picture = thumbnail(original.original, f"Original of {original.image_id}")
            figures.append(Figure(picture, "original", original.image_id))
        figures.append(_shot_figure(shot, "Tuned model from an inverted latent", shot.prompt))
    return GallerySection(tuple(figures))


def method_name(method: str) -> str:
    """The word on the page for an inversion method."""
    return METHODS.get(method, method)


def _subject_figures(pictures: Iterable[SubjectPicture], role: str) -> tuple[Figure, ...]:
    return tuple(
        Figure(thumbnail(picture.png, f"{role} {picture.file_name}: {picture.text}"), picture.text)
        for picture in pictures
    )


def _shot_figure(shot: Shot, model: str, caption: str) -> Figure:
    return Figure(thumbnail(shot.png, f"{model}, prompt “{shot.prompt}”, seed {shot.seed}"), caption)


def _strip(shots: Sequence[Shot], model: str, limit: int) -> tuple[Figure, ...]:
    ordered = sorted(shots, key=lambda shot: shot.seed)[:limit]
    return tuple(_shot_figure(shot, model, f"seed {shot.seed}") for shot in ordered)


def _prompt_row(
    prompt_id: str, tuned: Sequence[Shot], base: Sequence[Shot], scores: dict[str, dict[str, float]]
) -> PromptRow:
    return PromptRow(
        prompt_id,
        tuned[0].prompt,
        base[0].prompt if base else "",
        _strip(tuned, "Tuned model", SEEDS_SHOWN),
        _strip(base, "Base model", SEEDS_SHOWN),
        _score_words(scores.get(prompt_id, {})),
    )


def _score_words(means: dict[str, float]) -> str:
    words = ((SUBJECT_FIDELITY.key, "subject"), (PROMPT_FIDELITY.key, "prompt"))
    return " · ".join(f"{word} {decimal(means[key], 2)}" for key, word in words if key in means)


def _scores_by_prompt(scores: Sequence[MetricRow]) -> dict[str, dict[str, float]]:
    collected: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for score in scores:
        if score.model == "tuned" and score.prompt_id is not None and score.value is not None:
            collected[score.prompt_id][guide_for(score.metric).key].append(score.value)
    return {
        prompt_id: {key: fmean(values) for key, values in families.items()}
        for prompt_id, families in collected.items()
    }


def _by_prompt(shots: Sequence[Shot]) -> dict[str, list[Shot]]:
    grouped: dict[str, list[Shot]] = {}
    for shot in shots:
        grouped.setdefault(shot.prompt_id, []).append(shot)
    return grouped


def _kind_order(kinds: Iterable[str]) -> list[str]:
    order = list(KINDS)
    return sorted(kinds, key=lambda kind: (order.index(kind) if kind in order else len(order), kind))


def _kind_words(kind: str) -> tuple[str, str]:
    return KINDS.get(kind, (kind.capitalize(), ""))


def _inversion_row(image_id: str, found: Sequence[InversionResult]) -> tuple[Figure, ...]:
    first = found[0]
    figures = [
        Figure(thumbnail(first.original, f"Original of {image_id}"), "original", image_id),
        Figure(
            thumbnail(first.floor, f"{image_id} through the autoencoder and back"),
            "autoencoder alone",
            decibels(first.floor_psnr_db),
        ),
    ]
    for row in sorted(found, key=_inversion_order):
        name = method_name(row.method)
        alt = f"{image_id} inverted ({name}) and drawn again by the {row.model} model"
        picture = thumbnail(row.reconstruction, alt)
        figures.append(Figure(picture, f"{row.model}, {name}", decibels(row.psnr_db)))
    return tuple(figures)


def _inversion_order(row: InversionResult) -> tuple[str, bool, str]:
    return row.model, row.method != PLAIN, row.method


def _mean_db(values: Sequence[float | None]) -> float | None:
    """The mean of the finite decibels; identical pictures have none."""
    finite = [value for value in values if value is not None]
    return fmean(finite) if finite else None
