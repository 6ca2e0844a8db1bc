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
        hint: what to do next about it, the same words for all files that need the same; empty when nothing.
        notes: what a person should know about an accepted picture, separated by "; ".
        treatments: what was done to an accepted picture, separated by "; ".
        line: line of `metadata.jsonl`, counted from 1.
        image_id: of an accepted picture.
        text: its caption.
        caption_tokens: of the caption as the base model's tokenizer counts, both end marks included; null
            where no caption was counted.
        format: of the file by its content; null where it is unknown or there is no file to read.
        mode, width, height: of the file as offered, before any treatment; pixels.
        bytes, sha256: of the file as offered; null where it is missing or must not be read.
    """

    file_name: str
    verdict: Outcome
    reason: str = ""
    hint: str = ""
    notes: str = ""
    treatments: str = ""
    line: int | None = None
    image_id: str | None = None
    text: str | None = None
    caption_tokens: int | None = None
    format: str | None = None
    mode: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    sha256: str | None = None

    def rejected(self, reason: str, hint: str) -> "Verdict":
        """Return the same row, rejected for `reason`; `hint` says what to do next."""
        return replace(self, verdict="rejected", reason=reason, hint=hint, image_id=None, treatments="")

    def noted(self, *notes: str) -> "Verdict":
        """Return the same row with `notes` added; empty ones count for nothing."""
        return replace(self, notes="; ".join(filter(None, (self.notes, *notes))))

    @property
    def place(self) -> str:
        """Where it is, for people: the file and its line, with what cannot be printed as escapes."""
        return printable(f"{self.file_name}, line {self.line}" if self.line else self.file_name)

    def __str__(self) -> str:
        return f"{self.place}: {printable(self.reason)}"


def printable(text: str) -> str:
    """Return `text` in one line that cannot move a cursor: names and captions come from strangers' files."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
