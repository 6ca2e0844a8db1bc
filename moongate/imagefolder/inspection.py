"""One picture after the other: decoded, judged with its caption, and compared with those before it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath

import numpy as np

from moongate.artifacts.digests import bytes_digest
from moongate.errors import CapacityError, InputError
from moongate.imagefolder.captions import CaptionJudge
from moongate.imagefolder.pictures import (
    MEMORY_PER_PIXEL_BYTES,
    PictureFaultError,
    PictureRules,
    develop,
    read_header,
)
from moongate.imagefolder.signatures import format_of
from moongate.imagefolder.similarity import HASH_BITS, KnownPictures
from moongate.imagefolder.survey import KEEP_ONE, Offer
from moongate.imagefolder.verdicts import Verdict

_KEEP_APART = "take it out of this folder, or out of the one that is trained on"
_AMONG = " among the training pictures"
_SUFFIXES = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "MPO": (".jpg", ".jpeg"), "WEBP": (".webp",)}


@dataclass
class Inspection:
    """Judges the offers of one folder, in order, holding no pixels of the pictures before.

    Attributes:
        rules: for pictures.
        captions: for captions.
        trained_on: pictures that none of these may be, for who was trained on a picture cannot be judged by
            it.
    """

    rules: PictureRules
    captions: CaptionJudge
    trained_on: KnownPictures = field(default_factory=KnownPictures)
    _own: KnownPictures = field(default_factory=KnownPictures)

    def judge(self, offer: Offer) -> tuple[np.ndarray | None, Verdict]:
        """Return the pixels, (resolution, resolution, 3) uint8, and the verdict; no pixels when rejected.

        Raises:
            InputError: when the file is not what was surveyed.
            CapacityError: when there is too little memory to decode the picture.
        """
        finding = self.captions.judge(offer.row.text)
        verdict = replace(offer.verdict(), caption_tokens=finding.tokens)
        content = _read_unchanged(offer)
        verdict = replace(verdict, format=format_of(content))
        try:
            verdict = replace(verdict, **asdict(read_header(content)))
            developed = develop(content, self.rules)
        except PictureFaultError as fault:
            return None, verdict.rejected(_together(str(fault), finding.fault), fault.hint)
        except MemoryError as error:
            raise _too_large_here(verdict, verdict.place) from error
        if finding.fault:
            return None, verdict.rejected(finding.fault, finding.hint)
        if double := self._own.double_of(developed.pixels):
            return None, verdict.rejected(f"the same pixels as {double}", KEEP_ONE)
        if double := self.trained_on.double_of(developed.pixels):
            return None, verdict.rejected(f"the same pixels as {double}{_AMONG}", _KEEP_APART)
        notes = (_suffix_note(verdict), finding.note, *self._likenesses(developed.pixels))
        self._own.remember(offer.row.file_name, developed.pixels)
        treated = replace(verdict, treatments="; ".join(developed.treatments))
        # Named by content: renaming a file changes neither its identity nor its noise.
        return developed.pixels, replace(treated.noted(*notes), image_id=offer.sha256[:16])

    def _likenesses(self, pixels: np.ndarray) -> Iterator[str]:
        for known, standing in ((self._own, ""), (self.trained_on, _AMONG)):
            if nearest := known.lookalike_of(pixels):
                yield f"looks nearly like {nearest[0]}{standing} ({nearest[1]} of {HASH_BITS} bits apart)"


def known_pictures(offers: Iterable[Offer], rules: PictureRules) -> KnownPictures:
    """Remember what a folder shows, one picture in memory at a time; what cannot be used there is left out.

    Raises:
        InputError: when a file is not what was surveyed.
        CapacityError: when there is too little memory to decode a picture.
    """
    known = KnownPictures()
    for offer in offers:
        content, verdict = _read_unchanged(offer), offer.verdict()
        try:
            verdict = replace(verdict, **asdict(read_header(content)))
            developed = develop(content, rules)
        except PictureFaultError:
            continue
        except MemoryError as error:
            raise _too_large_here(verdict, str(offer.path)) from error
        known.remember(offer.row.file_name, developed.pixels)
    return known


def _too_large_here(verdict: Verdict, where: str) -> CapacityError:
    pixels = (verdict.width or 0) * (verdict.height or 0)
    return CapacityError(
        "the memory ran out while a picture was decoded",
        where=where,
        why=f"its {pixels:,} pixels take up to {MEMORY_PER_PIXEL_BYTES * pixels / 2**20:,.0f} MiB",
        fix="scale the picture down, lower ingest.max_pixels so that such pictures are rejected, or free "
        "some memory; nothing was published",
    )


def _together(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))


def _suffix_note(verdict: Verdict) -> str:
    suffix = PurePosixPath(verdict.file_name).suffix.lower()
    if suffix in _SUFFIXES.get(verdict.format or "", (suffix,)):
        return ""
    return f"its name ends in {suffix or 'no suffix'}, but it is a {verdict.format}"


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
