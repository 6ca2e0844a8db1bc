"""The subjects to personalize on: six things whose look the caption vocabulary has no words for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from moongate.toybox.vocabulary import Accessory, Appearance, Palette, SceneSpec


@dataclass(frozen=True)
class Instance:
    """A subject: its key, the class word for prompts, and its fixed look."""

    name: str
    class_noun: str
    appearance: Appearance

    def spec(
        self,
        scene: str,
        *,
        size: str = "normal",
        relation: str | None = None,
        accessory: Accessory | None = None,
    ) -> SceneSpec:
        """The SceneSpec that shows this subject in `scene`."""
        return SceneSpec(
            object=self.class_noun,
            colour=None,
            scene=scene,
            size=size,
            relation=relation,
            accessory=accessory,
            appearance=self.appearance,
        )


SUBJECTS: Mapping[str, Instance] = MappingProxyType(
    {
        "bolt_duck": Instance(
            "bolt_duck",
            "duck",
            Appearance(Palette((20, 160, 160), (215, 40, 140), (255, 235, 70)), "split", "bolt"),
        ),
        "moon_cup": Instance(
            "moon_cup",
            "cup",
            Appearance(Palette((75, 45, 130), (245, 150, 110), (250, 245, 200)), "band", "moon"),
        ),
        "heart_robot": Instance(
            "heart_robot",
            "robot",
            Appearance(Palette((150, 205, 60), (60, 60, 150), (255, 120, 150)), "split", "heart"),
        ),
        "ring_cat": Instance(
            "ring_cat",
            "cat",
            Appearance(Palette((120, 190, 235), (235, 110, 60), (255, 250, 235)), "split", "ring"),
        ),
        "cross_car": Instance(
            "cross_car",
            "car",
            Appearance(Palette((170, 25, 90), (110, 220, 190), (255, 250, 240)), "band", "cross"),
        ),
        "triangle_fish": Instance(
            "triangle_fish",
            "fish",
            Appearance(Palette((200, 140, 230), (25, 110, 90), (255, 252, 240)), "split", "triangle"),
        ),
    }
)
