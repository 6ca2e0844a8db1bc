"""A toy picture world with a closed vocabulary, drawn deterministically from specs and seeds."""

from moongate.toybox.captions import caption, full_caption, training_caption
from moongate.toybox.instances import SUBJECTS, Instance
from moongate.toybox.renderer import render
from moongate.toybox.vocabulary import Accessory, Appearance, Palette, Render, SceneSpec
from moongate.toybox.worlds import sample_instance_appearance, sample_instance_spec, sample_spec

__all__ = [
    "SUBJECTS",
    "Accessory",
    "Appearance",
    "Instance",
    "Palette",
    "Render",
    "SceneSpec",
    "caption",
    "full_caption",
    "render",
    "sample_instance_appearance",
    "sample_instance_spec",
    "sample_spec",
    "training_caption",
]
