import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from moongate.config import BaseConfig, EvaluateConfig, IngestConfig, RunConfig, SampleConfig


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields_of(field.annotation, f"{prefix}{name}.")


@pytest.mark.parametrize(("name", "field"), list(fields_of(RunConfig)), ids=lambda value: str(value)[:40])
def test_every_setting_has_a_description_and_a_literal_default(name, field):
    assert field.description, name
    assert field.description.endswith("."), name
    assert field.default is not PydanticUndefined, name


def test_settings_survive_json():
    config = RunConfig()
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().train.steps = 3


@pytest.mark.parametrize(
    ("model", "values", "complaint"),
    [
        (BaseConfig, {"revision": "main"}, "a branch or tag can move"),
        (BaseConfig, {"device": "gpu"}, "auto, cpu, cuda"),
        (IngestConfig, {"background": (0, 0, 256)}, "0..255"),
        (IngestConfig, {"resolution": 65}, "multiple of 8"),
        (SampleConfig, {"guidance_start": 0.5, "guidance_stop": 0.5}, "is not before guidance_stop"),
        (SampleConfig, {"sampler": "ddpm", "eta": 0.5}, "belongs to ddim"),
        (SampleConfig, {"guidance": float("nan")}, "finite"),
        (SampleConfig, {"prompts": "{noun}.jsonl"}, "the placeholders are {class_noun}"),
        (EvaluateConfig, {"clip": "openai/clip@main"}, "commit of 40 hex digits"),
        (RunConfig, {"trian": {}}, "Extra inputs"),
    ],
)
def test_settings_that_contradict_or_exceed_are_refused(model, values, complaint):
    with pytest.raises(ValidationError, match=complaint):
        model(**values)


def test_figures_of_bundled_encoders_on_another_base_come_with_a_caveat():
    mine = {"base": {"model": "my_model"}}
    assert RunConfig().caveats() == ()
    (caveat,) = RunConfig.model_validate(mine | {"evaluate": {"clip": "my_clip"}}).caveats()
    assert "evaluate.identity" in caveat
    assert "evaluate.clip" not in caveat
    named = {"evaluate": {"clip": "my_clip", "identity": "my_vit"}}
    assert RunConfig.model_validate(mine | named).caveats() == ()


def test_settings_and_the_store_need_no_torch():
    modules = "moongate.overrides, moongate.stages.ingest, moongate.artifacts.images"
    check = f"import sys, {modules}; sys.exit('torch' in sys.modules or 'datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
