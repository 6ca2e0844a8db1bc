"""What is asked of a caption: that the model can take it whole, and that it speaks of the subject."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moongate.errors import InputError
from moongate.models.source import BaseSource
from moongate.models.tokens import count_tokens, load_tokenizer
from moongate.settings import Settings
from moongate.subject import SubjectConfig

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

_SHORTEN = "shorten the caption"
_NAME_THE_CLASS = "mention the class noun in the caption, or leave {caption} out of subject.instance_prompt"


class CaptionRules(Settings):
    """What captions are for. A null template means that pictures are trained with one prompt for all.

    Only what changes a verdict is kept here, because it is a part of the image set's address.
    """

    template: str | None
    identifier: str | None
    class_noun: str | None

    @classmethod
    def of(cls, subject: SubjectConfig | None) -> "CaptionRules":
        """Return the rules for pictures of a subject, or, without one, for captions that are the prompts."""
        if subject is None:
            return cls(template="{caption}", identifier=None, class_noun=None)
        if "{caption}" not in subject.instance_prompt:
            return cls(template=None, identifier=None, class_noun=subject.class_noun)
        return cls(
            template=subject.instance_prompt, identifier=subject.identifier, class_noun=subject.class_noun
        )


@dataclass(frozen=True)
class CaptionFinding:
    """What there is to say of a caption.

    Attributes:
        tokens: of the caption itself, both end marks included.
        fault: why the picture cannot be used with it; empty when it can.
        hint: what to do about the fault.
        note: what a person should know although it can be used.
    """

    tokens: int
    fault: str = ""
    hint: str = ""
    note: str = ""


class CaptionJudge:
    """Judges captions by what they are for, counting with the base model's own tokenizer."""

    def __init__(self, subject: SubjectConfig | None, source: BaseSource) -> None:
        self._rules = CaptionRules.of(subject)
        self._subject = subject
        self._tokenizer: CLIPTokenizer = load_tokenizer(source)

    def judge(self, caption: str) -> CaptionFinding:
        """Return what there is to say of a caption."""
        tokens = count_tokens(self._tokenizer, caption).tokens
        if self._rules.template is None:
            return CaptionFinding(tokens, note=self._notes(caption))
        try:
            prompt = self._subject.instance_text(caption) if self._subject else caption
        except InputError as error:
            return CaptionFinding(tokens, error.what, _NAME_THE_CLASS)
        fault = self._prompt_fault(prompt)
        return CaptionFinding(tokens, fault, _SHORTEN if fault else "", self._repeated(caption))

    def _prompt_fault(self, prompt: str) -> str:
        """Say why the model cannot take a prompt as it stands; empty when it can."""
        for mark in self._tokenizer.all_special_tokens:
            if len(mark) > 1 and mark in prompt:
                return f"the caption holds {mark!r}, which ends or begins a text for the tokenizer"
        count = count_tokens(self._tokenizer, prompt)
        return "" if count.fits else f"as a prompt the caption has {count.complaint()}"

    def _notes(self, caption: str) -> str:
        """Say what is odd about a caption that only describes its picture."""
        notes = []
        if (noun := self._rules.class_noun) and not mentions(caption, noun):
            notes.append(f"the caption does not mention the class noun {noun!r}")
        count = count_tokens(self._tokenizer, caption)
        if not count.fits:
            notes.append(f"the caption has {count.complaint()}, if it were used as a prompt")
        return "; ".join(notes)

    def _repeated(self, caption: str) -> str:
        word = self._rules.identifier
        return (
            f"the caption holds the identifier {word!r} already" if word and mentions(caption, word) else ""
        )


def mentions(text: str, word: str) -> bool:
    """Tell whether `text` holds `word` as a word of its own, in any letter case."""
    return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None
