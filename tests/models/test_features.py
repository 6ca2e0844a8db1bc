import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTokenizer, ViTModel

from moongate.errors import InputError, ModelError
from moongate.models.extractor_source import ExtractorSource, resolve_extractor
from moongate.models.features import ClipExtractor, ViTExtractor
from moongate.models.preprocessing import read_preprocessing
from tests.tiny_extractors import SIDE, write_clip, write_vit


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> ExtractorSource:
    return resolve_extractor("identity", str(write_vit(tmp_path_factory.mktemp("x") / "tiny.vit")))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ExtractorSource:
    return resolve_extractor("clip", str(write_clip(tmp_path_factory.mktemp("x") / "tiny-clip")))


def pictures(n: int, side: int = 24, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(seed))
    return list(generator.integers(0, 256, size=(n, side, side, 3), dtype=np.uint8))


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


def test_vit_features_are_the_normalised_class_token(vit: ExtractorSource) -> None:
    prepare, model = read_preprocessing(vit.folder), ViTModel.from_pretrained(vit.folder).eval()
    inputs = torch.stack([torch.from_numpy(prepare(p)) for p in pictures(3)])
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(model(inputs).last_hidden_state[:, 0], dim=-1).numpy()
    np.testing.assert_allclose(ViTExtractor(vit).images(pictures(3)), expected, atol=1e-6)


def test_clip_features_reproduce_the_logits_of_the_whole_model(clip: ExtractorSource) -> None:
    texts = ["a red duck", "a duck in the snow near a tree", "cup"]
    extractor, model = ClipExtractor(clip), CLIPModel.from_pretrained(clip.folder).eval()
    tokens = CLIPTokenizer.from_pretrained(clip.folder)(texts, padding=True, return_tensors="pt")
    prepare = read_preprocessing(clip.folder)
    inputs = torch.stack([torch.from_numpy(prepare(p)) for p in pictures(4)])
    with torch.no_grad():
        whole = model(pixel_values=inputs, **tokens)
    cosines = extractor.images(pictures(4)) @ extractor.texts(texts).T
    expected = (whole.logits_per_image / model.logit_scale.exp().detach()).numpy()
    np.testing.assert_allclose(cosines, expected, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_features_do_not_depend_on_the_batch(
    vit: ExtractorSource, clip: ExtractorSource, batch_size: int
) -> None:
    for kind, source in ((ViTExtractor, vit), (ClipExtractor, clip)):
        whole = kind(source, batch_size=7).images(pictures(7))
        np.testing.assert_allclose(kind(source, batch_size=batch_size).images(pictures(7)), whole, atol=1e-5)


def test_a_text_is_judged_alike_beside_longer_ones(clip: ExtractorSource) -> None:
    extractor = ClipExtractor(clip)
    alone, beside = extractor.texts(["a duck"]), extractor.texts(["a duck", "a duck with a very long tail"])
    np.testing.assert_allclose(alone[0], beside[0], atol=1e-5)
    assert abs(float(beside[0] @ beside[1])) < 0.999


def test_features_have_length_one_and_no_picture_gives_no_row(
    vit: ExtractorSource, clip: ExtractorSource
) -> None:
    for extractor in (ViTExtractor(vit), ClipExtractor(clip)):
        features = extractor.images(pictures(5))
        assert features.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, atol=1e-6)
        assert extractor.images([]).shape == (0, features.shape[1])


def test_names_tell_backbone_pooling_and_preprocessing(vit: ExtractorSource, clip: ExtractorSource) -> None:
    assert ViTExtractor(vit).name == f"tiny-vit@{vit.digest[:8]}.cls.resize{SIDE}crop{SIDE}.pil-bicubic"
    assert ClipExtractor(clip).name.startswith(f"tiny-clip@{clip.digest[:8]}.projection.")


def test_other_weights_or_other_preprocessing_give_another_digest(tmp_path: Path) -> None:
    folders = {
        "same": write_vit(tmp_path / "a"),
        "copy": write_vit(tmp_path / "b"),
        "weights": write_vit(tmp_path / "c", seed=1),
        "preprocessing": write_vit(tmp_path / "d", image_mean=[0.5, 0.5, 0.5]),
    }
    digests = {name: resolve_extractor("identity", str(folder)).digest for name, folder in folders.items()}
    assert digests["same"] == digests["copy"]
    assert len(set(digests.values())) == 3


def test_a_prompt_longer_than_the_model_reads_is_refused(tmp_path: Path) -> None:
    extractor = ClipExtractor(resolve_extractor("clip", str(write_clip(tmp_path, max_tokens=8))))
    with pytest.raises(InputError, match="a very long prompt"):
        extractor.texts(["duck", "a very long prompt"])


def test_weights_that_are_absent_are_not_made_up(tmp_path: Path) -> None:
    source = resolve_extractor("identity", str(write_vit(tmp_path)))
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("layernorm.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"layernorm\.weight"):
        ViTExtractor(source)


def test_an_end_token_that_the_text_model_does_not_know_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    edit_json(tmp_path / "config.json", text_config=config["text_config"] | {"eos_token_id": 7})
    with pytest.raises(ModelError, match="end token"):
        ClipExtractor(resolve_extractor("clip", str(tmp_path)))


def test_the_legacy_end_token_of_old_clip_checkpoints_is_accepted(tmp_path: Path) -> None:
    write_clip(tmp_path)
    expected = ClipExtractor(resolve_extractor("clip", str(tmp_path))).texts(["a duck"])
    config = json.loads((tmp_path / "config.json").read_text())
    edit_json(tmp_path / "config.json", text_config=config["text_config"] | {"eos_token_id": 2})
    found = ClipExtractor(resolve_extractor("clip", str(tmp_path))).texts(["a duck"])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_preprocessing_for_another_input_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="disagree"):
        ViTExtractor(resolve_extractor("identity", str(write_vit(tmp_path, size=SIDE * 2))))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    write_vit(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="never from pickles"):
        resolve_extractor("identity", str(tmp_path))


@pytest.mark.parametrize("spec", ["facebook/dino-vits16", "facebook/dino-vits16@main", "no/such/folder"])
def test_an_extractor_that_is_not_pinned_is_refused(spec: str) -> None:
    with pytest.raises(ModelError, match="40 hex"):
        resolve_extractor("identity", spec)
