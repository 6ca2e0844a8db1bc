"""What is kept from training: seeds of pictures, and prompts that no training picture has."""

from itertools import count as count_from

from moongate.progress import Progress
from moongate.toybox.captions import full_caption
from moongate.toybox.vocabulary import SceneSpec
from moongate.toybox.worlds import sample_spec

HELD_OUT_FROM = 1_000_000


def held_out_prompts(count: int, pictures: int, progress: Progress) -> tuple[SceneSpec, ...]:
    """Return the first `count` specs of held-out seeds whose full caption none of the `pictures` has.

    The vocabulary is small enough that about half of the held-out seeds say what some training picture says.
    """
    trained = set()
    with progress.track("read training captions", pictures) as advance:
        for seed in range(pictures):
            trained.add(full_caption(sample_spec(seed)))
            advance(1)
    found: list[SceneSpec] = []
    for seed in count_from(HELD_OUT_FROM):
        if len(found) == count:
            break
        if full_caption(spec := sample_spec(seed)) not in trained:
            found.append(spec)
    return tuple(found)
