"""How long a text is for a model, and what of it would be cut off. Needs the tokenizer and no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from moongate.models.source import BaseSource

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


@dataclass(frozen=True)
class TokenCount:
    """The length of one text.

    Attributes:
        tokens: of the whole text, both end marks included.
        limit: the most that the model takes, both end marks included.
        cut: what of the text lies beyond the limit; empty when it fits.
    """

    tokens: int
    limit: int
    cut: str

    @property
    def fits(self) -> bool:
        """True when nothing would be cut off."""
        return self.tokens <= self.limit

    def complaint(self) -> str:
        """Say what is too long and what would be lost."""
        return f"{self.tokens} tokens and the model takes {self.limit}; this would be cut off: {self.cut!r}"


def load_tokenizer(source: BaseSource) -> "CLIPTokenizer":
    """Return the tokenizer of a base model."""
    # Imported late: with everything cached nothing is counted.
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(source.folder / "tokenizer", local_files_only=True)


def count_tokens(tokenizer: "CLIPTokenizer", text: str) -> TokenCount:
    """Return the length of `text`, counted as the model's prompts are."""
    ids = list(tokenizer(text, truncation=False, verbose=False).input_ids)
    limit = tokenizer.model_max_length
    # One place is the end mark's.
    cut = tokenizer.decode(ids[limit - 1 : -1]).strip() if len(ids) > limit else ""
    return TokenCount(len(ids), limit, cut)
