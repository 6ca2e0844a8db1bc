"""What became of each file and each metadata row that was offered."""

from dataclasses import dataclass, replace
from typing import Literal

Outcome = Literal["accepted", "rejected", "companion", "ignored"]


@dataclass(frozen=True)
class Verdict:
    """One row of the table `inputs`.

    Attributes:
        file_name: POSIX path within the folder, as far as it is known.
        verdict: accepted; rejected; companion (a file that a metadata column names, such as a mask);
            ignored (neither a picture nor named by the metadata).
        reason: why it was not accepted, in words; empty when it was.
        treatments: what was done to an accepted picture, separated by "; ".
        line: line of `metadata.jsonl`, counted from 1.
        image_id: of an accepted picture.
        text: its caption.
        format, mode, width, height: of the file as offered, before any treatment; pixels.
        bytes, sha256: of the file as offered.
    """

    file_name: str
    verdict: Outcome
    reason: str = ""
    treatments: str = ""
    line: int | None = None
    image_id: str | None = None
    text: str | None = None
    format: str | None = None
    mode: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    sha256: str | None = None

    def rejected(self, reason: str) -> "Verdict":
        """Return the same row, rejected for `reason`."""
        return replace(self, verdict="rejected", reason=reason, image_id=None, treatments="")

    def __str__(self) -> str:
        place = f"{self.file_name}, line {self.line}" if self.line else self.file_name
        return f"{place}: {self.reason}"
