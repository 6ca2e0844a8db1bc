"""One picture after the other: decoded, judged with its caption, and compared with those before it."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath

import numpy as np

from moongate.artifacts.digests import bytes_digest
from moongate.errors import InputError
from moongate.imagefolder.captions import CaptionJudge
from moongate.imagefolder.pictures import PictureFaultError, PictureRules, develop, read_header
from moongate.imagefolder.signatures import format_of
from moongate.imagefolder.similarity import HASH_BITS, Lookalikes, difference_hash
from moongate.imagefolder.survey import KEEP_ONE, Offer
from moongate.imagefolder.verdicts import Verdict

_SUFFIXES = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "MPO": (".jpg", ".jpeg"), "WEBP": (".webp",)}


@dataclass
class Inspection:
    """Judges the offers of one folder, in order, holding no pixels of the pictures before.

    Attributes:
        rules: for pictures.
        captions: for captions.
    """

    rules: PictureRules
    captions: CaptionJudge
    _first_of: dict[str, str] = field(default_factory=dict)
    _lookalikes: Lookalikes = field(default_factory=Lookalikes)

    def judge(self, offer: Offer) -> tuple[np.ndarray | None, Verdict]:
        """Return the pixels, (resolution, resolution, 3) uint8, and the verdict; no pixels when rejected.

        Raises:
            InputError: when the file is not what was surveyed.
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
        if finding.fault:
            return None, verdict.rejected(finding.fault, finding.hint)
        if double := self._double_of(offer.row.file_name, developed.pixels):
            return None, verdict.rejected(f"the same pixels as {double}", KEEP_ONE)
        notes = (_suffix_note(verdict), finding.note, self._likeness(offer.row.file_name, developed.pixels))
        treated = replace(verdict, treatments="; ".join(developed.treatments))
        # Named by content: renaming a file changes neither its identity nor its noise.
        return developed.pixels, replace(treated.noted(*notes), image_id=offer.sha256[:16])

    def _double_of(self, name: str, pixels: np.ndarray) -> str | None:
        """Return the earlier picture with the same pixels: for a model they are one, whatever their files."""
        first = self._first_of.setdefault(bytes_digest(pixels.tobytes()), name)
        return None if first == name else first

    def _likeness(self, name: str, pixels: np.ndarray) -> str:
        if (fingerprint := difference_hash(pixels)) is None:
            return ""
        nearest = self._lookalikes.nearest(fingerprint)
        self._lookalikes.remember(name, fingerprint)
        if nearest is None:
            return ""
        return f"looks nearly like {nearest[0]} ({nearest[1]} of {HASH_BITS} bits apart)"


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
