"""Ingest: check, normalise and describe every picture and caption of a folder."""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from moongate.artifacts.digests import json_digest
from moongate.artifacts.images import Picture, write_images
from moongate.artifacts.recipe import Recipe
from moongate.artifacts.refs import ImageSetRef
from moongate.artifacts.schemas import INPUTS
from moongate.artifacts.store import BuildFacts, Obtained
from moongate.artifacts.tables import write_table
from moongate.config import IngestConfig
from moongate.imagefolder.account import Account, enforce, remarks
from moongate.imagefolder.captions import CaptionJudge, CaptionRules
from moongate.imagefolder.inspection import Inspection, known_pictures
from moongate.imagefolder.pictures import PictureRules
from moongate.imagefolder.survey import Survey, survey_folder
from moongate.imagefolder.verdicts import Verdict
from moongate.models.footprint import picture_bytes
from moongate.models.source import BaseSource
from moongate.settings import Settings
from moongate.stages.context import StageContext
from moongate.subject import SubjectConfig

STAGE = "ingest"
REVISION = 2
INPUTS_NAME = "inputs.parquet"
_REMARKS_SHOWN = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IngestInputs:
    """A folder of pictures, and the model and subject they are for.

    Attributes:
        folder: holds the pictures and their `metadata.jsonl`.
        base: says how large pictures are, when the configuration does not, and how captions are counted.
        subject: what the pictures show; None = any captioned pictures, whose captions are their prompts.
        trained_on: folder whose pictures may not be among these, which are kept to judge the training.
    """

    folder: Path
    base: BaseSource
    subject: SubjectConfig | None = None
    trained_on: Path | None = None


class IngestSettings(Settings):
    """What decides an image set."""

    pictures: PictureRules
    captions: CaptionRules


def recipe(config: IngestConfig, inputs: IngestInputs) -> Recipe[ImageSetRef]:
    """Return the image set's recipe. It reads and hashes the files; where they lie and when they were written
    does not matter.

    Raises:
        InputError: when the folder, or the one that is trained on, or a metadata file cannot be read.
    """
    return _recipe(config, inputs, *_surveys(inputs))


def ingest(config: IngestConfig, inputs: IngestInputs, context: StageContext) -> Obtained[ImageSetRef]:
    """Turn a folder into an image set: `images.parquet`, and `inputs.parquet` with a verdict on every file.

    One picture is in memory at a time: for its file at most twice `listing.MAX_FILE_BYTES`, and for its
    pixels at most `pictures.MEMORY_PER_PIXEL_BYTES` x `max_pixels`; to that come `MEMORY_PER_FILE_BYTES` for
    each file and `MEMORY_PER_SET_BYTES`, whatever the folder.

    Raises:
        RejectedInputsError: when files are rejected and `allow_rejects` is off (it has all of them), or when
            fewer than `min_pictures` remain.
        InputError: when the folder, or the one that is trained on, cannot be read as a whole, or a picture of
            either changes while it is read.
        CapacityError: when there is too little memory to decode a picture.
    """
    survey, trained_on = _surveys(inputs)

    def build(folder: Path) -> BuildFacts:
        each = picture_bytes(_picture_rules(config, inputs).resolution)
        context.store.require_room(len(survey.offers) * each, STAGE)
        verdicts = list(survey.others)
        inspection = _inspection(config, inputs, trained_on)
        write_images(folder, _accepted(survey, inspection, context, verdicts))
        verdicts.sort(key=lambda verdict: (verdict.file_name, verdict.line or 0))
        account = Account(inputs.folder, tuple(verdicts))
        enforce(account, allow_rejects=config.allow_rejects, min_pictures=config.min_pictures)
        write_table(folder / INPUTS_NAME, [asdict(verdict) for verdict in verdicts], INPUTS)
        return BuildFacts(items=account.count("accepted"))

    obtained = context.store.obtain(_recipe(config, inputs, survey, trained_on), build)
    account = Account(inputs.folder, _as_offered(read_verdicts(context.store.folder(obtained.ref)), survey))
    # What is tolerated is no property of the pictures, so it is no part of their address either.
    enforce(account, allow_rejects=config.allow_rejects, min_pictures=config.min_pictures)
    _tell(account)
    return obtained


def read_verdicts(folder: Path) -> tuple[Verdict, ...]:
    """Return the verdicts that an image set was made with."""
    return tuple(Verdict(**row) for row in pq.read_table(folder / INPUTS_NAME).to_pylist())


def _as_offered(stored: tuple[Verdict, ...], survey: Survey) -> tuple[Verdict, ...]:
    """Return the verdicts with lines and junk as they are now, for neither changes the set."""
    judged = {(verdict.file_name, verdict.sha256): verdict for verdict in stored}
    now = [replace(judged[offer.row.file_name, offer.sha256], line=offer.row.line) for offer in survey.offers]
    return tuple(sorted([*now, *survey.others], key=lambda verdict: (verdict.file_name, verdict.line or 0)))


def _tell(account: Account) -> None:
    """Warn of what was left out and of what is odd, but was accepted."""
    if account.count("rejected"):
        _log.warning("%s: %s; going on without them%s", account.folder, account.headline(), account.text())
    if odd := remarks(account.verdicts):
        lines = "".join(f"\n    {place}: {notes}" for place, notes in odd[:_REMARKS_SHOWN])
        more = f"\n    and {len(odd) - _REMARKS_SHOWN:,} more" if len(odd) > _REMARKS_SHOWN else ""
        _log.warning("%s: worth a look:%s%s", account.folder, lines, more)


def _picture_rules(config: IngestConfig, inputs: IngestInputs) -> PictureRules:
    return PictureRules(
        resolution=config.resolution or inputs.base.resolution(),
        max_pixels=config.max_pixels,
        min_side=config.min_side,
        max_aspect=config.max_aspect,
        background=config.background,
    )


def _surveys(inputs: IngestInputs) -> tuple[Survey, Survey | None]:
    """Return what the folder offers, and what the one offers that is trained on."""
    trained_on = survey_folder(inputs.trained_on) if inputs.trained_on else None
    return survey_folder(inputs.folder), trained_on


def _recipe(
    config: IngestConfig, inputs: IngestInputs, survey: Survey, trained_on: Survey | None
) -> Recipe[ImageSetRef]:
    settings = IngestSettings(
        pictures=_picture_rules(config, inputs), captions=CaptionRules.of(inputs.subject)
    )
    content = (*survey.content(), ("tokenizer", inputs.base.tokenizer_digest()))
    if trained_on:
        # Not their captions: whatever those say, the same pictures may not be here.
        pictures = [(offer.row.file_name, offer.sha256) for offer in trained_on.offers]
        content += (("trained on", json_digest(pictures)),)
    return Recipe(STAGE, REVISION, settings, content, ImageSetRef)


def _inspection(config: IngestConfig, inputs: IngestInputs, trained_on: Survey | None) -> Inspection:
    rules = _picture_rules(config, inputs)
    known = known_pictures(trained_on.offers if trained_on else (), rules)
    return Inspection(rules, CaptionJudge(inputs.subject, inputs.base), known)


def _accepted(
    survey: Survey, inspection: Inspection, context: StageContext, verdicts: list[Verdict]
) -> Iterator[Picture]:
    """Yield the accepted pictures, one in memory at a time, and append the verdict on each offer."""
    with context.progress.track(STAGE, len(survey.offers)) as advance:
        for offer in survey.offers:
            pixels, verdict = inspection.judge(offer)
            verdicts.append(verdict)
            if pixels is not None and verdict.image_id is not None:
                yield Picture.from_pixels(
                    pixels,
                    image_id=verdict.image_id,
                    file_name=offer.row.file_name,
                    text=offer.row.text,
                    extra=offer.row.extra,
                )
            advance(1)
