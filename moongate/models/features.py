"""Feature extractors, any ViT or CLIP in transformers' layout: pictures and texts in, unit vectors out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import CLIPModel, CLIPTokenizer, ViTModel

from moongate.errors import InputError, ModelError
from moongate.models.extractor_source import ExtractorSource
from moongate.models.preprocessing import Preprocessing, read_preprocessing
from moongate.models.quiet import quiet_libraries

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]
_Item = TypeVar("_Item")

# The id that older CLIP checkpoints carry by mistake; transformers' text model then reads its feature at the
# position of the highest token id.
_LEGACY_END_TOKEN = 2


class FeatureExtractor(Protocol):
    """Turns pictures into vectors whose cosine says how alike the pictures are."""

    @property
    def name(self) -> str:
        """Backbone with digest, pooling and preprocessing: everything that a score depends on."""
        ...

    def images(self, pictures: Sequence[Pixels]) -> Features:
        """Features of sRGB pictures, each (H, W, 3) uint8: (N, D) float32, rows of length 1.

        A row is NaN where the feature is all zero or not finite: its direction, which is all that is
        compared, does not exist.
        """
        ...


class TextFeatureExtractor(FeatureExtractor, Protocol):
    """Puts texts into the same space as pictures."""

    def texts(self, texts: Sequence[str]) -> Features:
        """Features of texts: (N, D) float32, rows of length 1, or NaN as those of pictures."""
        ...

    def too_long(self, texts: Sequence[str]) -> Mapping[str, InputError]:
        """Return the error of each text that has more tokens than are read."""
        ...


class ViTExtractor:
    """The class token of a ViT after its last layer norm, DINO's feature (Caron et al., arXiv 2104.14294)."""

    def __init__(
        self, source: ExtractorSource, device: torch.device | str = "cpu", batch_size: int = 64
    ) -> None:
        self.name = source.name
        self._device = torch.device(device)
        self._batch_size = batch_size
        self._preprocessing = read_preprocessing(source.folder)
        self._model = _frozen(ViTModel, source, self._device, add_pooling_layer=False)
        _check_input_size(self._preprocessing, self._model.config.image_size, source)

    def images(self, pictures: Sequence[Pixels]) -> Features:
        """See `FeatureExtractor.images`."""
        return _in_batches(self._embed, pictures, self._batch_size, width=self._model.config.hidden_size)

    def _embed(self, pictures: Sequence[Pixels]) -> torch.Tensor:
        inputs = _stacked(pictures, self._preprocessing, self._device)
        return self._model(pixel_values=inputs).last_hidden_state[:, 0]


class ClipExtractor:
    """CLIP's projected image and text features (Radford et al., arXiv 2103.00020)."""

    def __init__(
        self, source: ExtractorSource, device: torch.device | str = "cpu", batch_size: int = 64
    ) -> None:
        self.name = source.name
        self._device = torch.device(device)
        self._batch_size = batch_size
        self._preprocessing = read_preprocessing(source.folder)
        self._model = _frozen(CLIPModel, source, self._device)
        self._tokenizer = CLIPTokenizer.from_pretrained(source.folder, local_files_only=True)
        self._max_tokens = int(self._model.config.text_config.max_position_embeddings)
        _check_input_size(self._preprocessing, self._model.config.vision_config.image_size, source)
        _check_end_token(self._model.config.text_config, self._tokenizer, source)

    def images(self, pictures: Sequence[Pixels]) -> Features:
        """See `FeatureExtractor.images`."""
        width = self._model.config.projection_dim
        return _in_batches(self._embed_images, pictures, self._batch_size, width=width)

    def texts(self, texts: Sequence[str]) -> Features:
        """See `TextFeatureExtractor.texts`.

        Raises InputError for a text with more tokens than the model reads, for the rest would not be judged.
        """
        for refused in self.too_long(texts).values():
            raise refused
        return _in_batches(
            self._embed_texts, texts, self._batch_size, width=self._model.config.projection_dim
        )

    def too_long(self, texts: Sequence[str]) -> dict[str, InputError]:
        """See `TextFeatureExtractor.too_long`."""
        lengths = {text: len(self._tokenizer(text, verbose=False)["input_ids"]) for text in texts}
        return {
            text: _too_long(text, self._max_tokens)
            for text, length in lengths.items()
            if length > self._max_tokens
        }

    def _embed_images(self, pictures: Sequence[Pixels]) -> torch.Tensor:
        inputs = _stacked(pictures, self._preprocessing, self._device)
        # transformers 5 puts the projected features, not the pooled hidden state, into pooler_output.
        return self._model.get_image_features(pixel_values=inputs).pooler_output

    def _embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        tokens = self._tokenizer(list(texts), padding=True, return_tensors="pt").to(self._device)
        found = self._model.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        return found.pooler_output


def _frozen(kind: Any, source: ExtractorSource, device: torch.device, **options: object) -> Any:
    """Load a model in float32 for inference. Raises ModelError when the file lacks some of its weights."""
    with quiet_libraries():
        model, report = kind.from_pretrained(
            source.folder,
            use_safetensors=True,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            **options,
        )
    if absent := sorted(report["missing_keys"]):
        raise ModelError(
            f"the {source.kind} extractor lacks {len(absent)} of its weights",
            where=str(source.folder),
            why=f"absent: {', '.join(absent[:5])}; transformers would fill them with random numbers",
            fix=f"give a folder saved from a {kind.__name__}",
        )
    return model.eval().requires_grad_(False).to(device)


def _in_batches(
    embed: Callable[[Sequence[_Item]], torch.Tensor], items: Sequence[_Item], batch_size: int, *, width: int
) -> Features:
    parts = [np.zeros((0, width), dtype=np.float32)]
    with torch.inference_mode():
        for start in range(0, len(items), batch_size):
            parts.append(_normalised(embed(items[start : start + batch_size])).cpu().numpy())
    return np.concatenate(parts)


def _normalised(features: torch.Tensor) -> torch.Tensor:
    """Return (B, D) with rows of length 1; NaN where a row has no direction."""
    lengths = features.norm(dim=-1, keepdim=True)
    return (features / lengths).where(lengths.isfinite() & (lengths > 0), torch.nan)


def _stacked(pictures: Sequence[Pixels], prepare: Preprocessing, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.stack([prepare(picture) for picture in pictures])).to(device)


def _check_input_size(preprocessing: Preprocessing, image_size: int, source: ExtractorSource) -> None:
    if preprocessing.crop != image_size:
        raise ModelError(
            f"the {source.kind} extractor is fed {preprocessing.crop} pixels and expects {image_size}",
            where=str(source.folder),
            why="preprocessor_config.json and config.json disagree",
            fix="correct the one that is wrong; interpolated positions would change the features",
        )


def _check_end_token(config: object, tokenizer: CLIPTokenizer, source: ExtractorSource) -> None:
    """The text feature is read at the end token; a wrong id would silently read it at the first position."""
    declared, used = getattr(config, "eos_token_id", None), tokenizer.eos_token_id
    legacy = declared == _LEGACY_END_TOKEN and used == max(tokenizer.get_vocab().values())
    if declared != used and not legacy:
        raise ModelError(
            f"the tokenizer ends a text with token {used}, the text model looks for {declared}",
            where=str(source.folder),
            why="the feature of every text would be read at a position that says nothing",
            fix="set eos_token_id in config.json's text_config to the tokenizer's end token",
        )


def _too_long(text: str, limit: int) -> InputError:
    return InputError(
        f"a prompt has more than the {limit} tokens that the CLIP extractor reads",
        where=f"prompt {text!r}",
        why="its end would be left out of the judgement",
        fix="shorten the prompt, or name a CLIP model with a longer text input",
    )
