"""Ingest: check, normalise and describe every picture and caption of a folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from moongate.artifacts.digests import bytes_digest
from moongate.artifacts.images import Picture, write_images
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.schemas import INPUTS
from moongate.artifacts.store import BuildFacts, Obtained
from moongate.artifacts.tables import write_table
from moongate.config import IngestConfig
from moongate.errors import InputError
from moongate.imagefolder.pictures import PictureFaultError, PictureRules, develop, read_header
from moongate.imagefolder.survey import Offer, Survey, survey_folder
from moongate.imagefolder.verdicts import Verdict
from moongate.stages.context import StageContext

STAGE = "ingest"
REVISION = 1
INPUTS_NAME = "inputs.parquet"


@dataclass(frozen=True)
class IngestInputs:
    """A folder of pictures, and the side in pixels that the base model draws.

    Attributes:
        folder: holds the pictures and their `metadata.jsonl`.
        resolution: used when the configuration does not set one.
    """

    folder: Path
    resolution: int


def recipe(config: IngestConfig, inputs: IngestInputs) -> Recipe[ImageSetRef]:
    """Return the image set's recipe. It reads and hashes the files; where they lie and when they were written
    does not matter.

    Raises:
        InputError: when the folder or its metadata file cannot be read.
    """
    return _recipe(config, inputs, survey_folder(inputs.folder))


def ingest(config: IngestConfig, inputs: IngestInputs, context: StageContext) -> Obtained[ImageSetRef]:
    """Turn a folder into an image set: `images.parquet`, and `inputs.parquet` with a verdict on every file.

    Raises:
        InputError: when files are rejected and `allow_rejects` is off (all of them are listed), when fewer
            than `min_pictures` remain, or when a file changes while it is read.
    """
    survey = survey_folder(inputs.folder)
    rules = _rules(config, inputs)

    def build(folder: Path) -> BuildFacts:
        pictures, verdicts = _develop_all(survey, rules, context)
        _enforce(verdicts, config, inputs.folder)
        write_images(folder, pictures)
        write_table(folder / INPUTS_NAME, [asdict(verdict) for verdict in verdicts], INPUTS)
        return BuildFacts(items=len(pictures))

    obtained = context.store.obtain(_recipe(config, inputs, survey), build)
    if obtained.cached:
        # What is tolerated is no property of the pictures, so it is no part of their address either.
        _enforce(read_verdicts(context.store.folder(obtained.ref)), config, inputs.folder)
    return obtained


def read_verdicts(folder: Path) -> tuple[Verdict, ...]:
    """Return the verdicts that an image set was made with."""
    return tuple(Verdict(**row) for row in pq.read_table(folder / INPUTS_NAME).to_pylist())


def _rules(config: IngestConfig, inputs: IngestInputs) -> PictureRules:
    return PictureRules(
        resolution=config.resolution or inputs.resolution,
        max_pixels=config.max_pixels,
        min_side=config.min_side,
        max_aspect=config.max_aspect,
        background=config.background,
    )


def _recipe(config: IngestConfig, inputs: IngestInputs, survey: Survey) -> Recipe[ImageSetRef]:
    return Recipe(STAGE, REVISION, _rules(config, inputs), survey.content(), ImageSetRef)


def _develop_all(
    survey: Survey, rules: PictureRules, context: StageContext
) -> tuple[list[Picture], list[Verdict]]:
    pictures: list[Picture] = []
    verdicts: list[Verdict] = list(survey.others)
    with context.progress.track(STAGE, len(survey.offers)) as advance:
        for offer in survey.offers:
            picture, verdict = _develop(offer, rules)
            if picture is not None:
                pictures.append(picture)
            verdicts.append(verdict)
            advance(1)
    return pictures, sorted(verdicts, key=lambda verdict: (verdict.file_name, verdict.line or 0))


def _develop(offer: Offer, rules: PictureRules) -> tuple[Picture | None, Verdict]:
    content = _read_unchanged(offer)
    verdict = offer.verdict()
    try:
        header = read_header(content)
        verdict = replace(verdict, **asdict(header))
        developed = develop(content, rules)
    except PictureFaultError as fault:
        return None, verdict.rejected(str(fault))
    # Named by content: renaming a file changes neither its identity nor its noise.
    image_id = offer.sha256[:16]
    picture = Picture.from_pixels(
        developed.pixels,
        image_id=image_id,
        file_name=offer.row.file_name,
        text=offer.row.text,
        extra=offer.row.extra,
    )
    return picture, replace(verdict, image_id=image_id, treatments="; ".join(developed.treatments))


def _read_unchanged(offer: Offer) -> bytes:
    """Return the bytes that the recipe was made from."""
    try:
        content = offer.path.read_bytes()
    except OSError:
        content = b""
    if bytes_digest(content) != offer.sha256:
        raise InputError(
            "a picture changed while it was read",
            where=str(offer.path),
            why="its bytes are not those that were hashed a moment ago",
            fix="run again once nothing writes into the folder any more",
        )
    return content


def _enforce(verdicts: Sequence[Verdict], config: IngestConfig, folder: Path) -> None:
    rejected = [verdict for verdict in verdicts if verdict.verdict == "rejected"]
    accepted = sum(verdict.verdict == "accepted" for verdict in verdicts)
    listing = "".join(f"\n    {verdict}" for verdict in rejected)
    if rejected and not config.allow_rejects:
        raise InputError(
            f"{len(rejected)} of the inputs cannot be used",
            where=str(folder),
            why=f"{accepted} pictures are fine, these are not:{listing}",
            fix="correct or remove them, or set ingest.allow_rejects=true to go on without them",
        )
    if accepted < config.min_pictures:
        raise InputError(
            f"{accepted} usable pictures are too few",
            where=str(folder),
            why=f"ingest.min_pictures is {config.min_pictures}; rejected: {listing or 'none'}",
            fix="add pictures with a row each in metadata.jsonl, or lower ingest.min_pictures",
        )
