"""The toybox's CLIP tokenizer: byte-level BPE whose merges make every word of the vocabulary one token."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from moongate.toybox.captions import full_caption
from moongate.toybox.vocabulary import IDENTIFIERS
from moongate.toybox.worlds import sample_spec

MAX_TOKENS = 32
START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
CORPUS_CAPTIONS = 4000


def corpus() -> list[str]:
    """Return the captions that the merges are learned from, identifiers often enough to be one token."""
    captions = [full_caption(sample_spec(seed)) for seed in range(CORPUS_CAPTIONS)]
    return captions + [identifier for identifier in IDENTIFIERS for _ in range(20)]


def build_tokenizer() -> CLIPTokenizer:
    """Return a CLIPTokenizer for any UTF-8 text, in which each word of the toybox is one token."""
    vocabulary, merges = _learn_merges(corpus())
    tokens = [*vocabulary, START, END]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=merges,
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=MAX_TOKENS,
    )


def _learn_merges(captions: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Learn BPE (Sennrich et al. 2016) on top of the bytes, each with and without the end-of-word mark."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD))
    learner.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        min_frequency=10,
        initial_alphabet=alphabet,
        end_of_word_suffix=END_OF_WORD,
        show_progress=False,
    )
    learner.train_from_iterator(captions, trainer)
    learned = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    bytes_and_ends = alphabet + [byte + END_OF_WORD for byte in alphabet]
    known = set(bytes_and_ends)
    vocabulary = bytes_and_ends + [token for token, _ in learned if token not in known]
    return vocabulary, _merges(learner)


def _merges(learner: Tokenizer) -> list[tuple[str, str]]:
    import json

    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
