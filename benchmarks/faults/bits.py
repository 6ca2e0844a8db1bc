"""A flipped bit in each kind of file that a run makes: artifacts, checkpoints, finished batches."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from signal import SIGTERM

from typing_extensions import override

from benchmarks.faults.case import Case, Seen
from benchmarks.faults.command_line import SETTINGS, tensor_files
from benchmarks.faults.workplace import Workplace
from benchmarks.performing import Direct
from flows.personalize import chain
from moongate import interruption
from moongate.artifacts.manifest import MANIFEST_NAME, read_manifest
from moongate.artifacts.sameness import Sameness, compare_builds
from moongate.artifacts.store import Store
from moongate.interruption import StopError
from moongate.models.source import resolve_base
from moongate.overrides import load_config
from moongate.stages.context import StageContext

# One file of each kind, by the stage whose artifact it belongs to.
_KINDS = (
    ("ingest", "images.parquet"),
    ("ingest", "inputs.parquet"),
    ("prior", "images.parquet"),
    ("cache", "index.parquet"),
    ("cache", "latents-00000.safetensors"),
    ("cache", "text.safetensors"),
    ("cache", "prompts.json"),
    ("train", "unet.safetensors"),
    ("train", "text_encoder.safetensors"),
    ("train", "adapter.json"),
    ("train", "train_steps.parquet"),
    ("train", "validation.parquet"),
    ("invert", "inversions.parquet"),
    ("invert", "inversions.json"),
    ("invert", "z_T.safetensors"),
    ("sample", "samples.parquet"),
    ("evaluate", "metrics.parquet"),
    ("evaluate", "summary.parquet"),
    ("evaluate", MANIFEST_NAME),
)
_OF_CHECKPOINTS = ("weights.safetensors", "moments.safetensors", "best.safetensors", "state.json")
# Steps or pictures after which work is stopped: past the checkpoint of step 2, and before the one of step 4.
_STOPPED_AFTER = 3


class _Stop:
    """Progress that asks the work to stop, as a signal would, once so much of it is done.

    Attributes:
        seen: what it was told, in order.
    """

    def __init__(self, after: int) -> None:
        self.seen: list[int] = []
        self._after = after

    @contextmanager
    def track(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield the function that counts, and at the right moment asks."""
        yield self._advance

    def _advance(self, count: int) -> None:
        self.seen.append(count)
        if sum(self.seen) == self._after:
            interruption.ask_to_stop(SIGTERM)


class _Warnings(logging.Handler):
    """Keeps what is warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _in_artifact(stage: str, name: str, folder: Path) -> Seen:
    sound = _whole_run(folder.parent)
    store = _linked(sound, folder / "store")
    file = min(store.glob(f"artifacts/{stage}/*/{name}"))
    _flip(file)
    with _warned() as messages:
        rebuilt = _perform(store)
    aside = list(file.parent.parent.glob(".corrupt-*"))
    sameness = _compared(sound / file.parent.relative_to(store), file.parent)
    promised = rebuilt == 1 and len(aside) == 1 and not sameness.differing
    # Where it was put is a path that says nothing here.
    message = "; ".join(messages).partition(" It was set aside")[0]
    return Seen(message, "this artifact", f"it is set aside and built again, {sameness}", promised)


def _in_checkpoint(name: str, folder: Path) -> Seen:
    _linked(_stopped_training(folder.parent), folder / "store")
    place, counted = Workplace(folder), _Stop(after=-1)
    newest = max(place.context.store.root.glob("scratch/train/*/checkpoints/step-*"))
    _flip(newest / name)
    with _warned() as messages:
        trained = place.train(progress=counted)
    (resumed, *_), same = counted.seen, _is_calm(place, folder)
    lost = f"this checkpoint: {_STOPPED_AFTER - resumed} of {_STOPPED_AFTER} steps"
    goes_on = f"it goes on from step {resumed} and ends with the same bytes"
    return Seen("; ".join(messages), lost, goes_on, same and resumed == 2 and not trained.cached)


def _in_batch(folder: Path) -> Seen:
    place = Workplace(folder)
    _stopped(place.latents)
    batches = sorted(place.context.store.root.glob("scratch/cache/*/batches/*.safetensors"))
    _flip(batches[0])
    with _warned() as messages:
        cached = place.latents().cached
    goes_on, same = "it is computed again, and the artifact has the same bytes", _is_calm(place, folder)
    lost = f"this batch, of {len(batches)}"
    return Seen("; ".join(messages), lost, goes_on, same and len(messages) == 1 and not cached)


@cache
def _whole_run(scratch: Path) -> Path:
    """Return a store with all artifacts of the smallest run, made once, beside the folders of the faults."""
    _perform(scratch / "whole_run")
    return scratch / "whole_run"


def _perform(home: Path) -> int:
    """Perform the smallest run on a store, and return how many artifacts it built."""
    config = load_config(None, SETTINGS)
    direct = Direct(StageContext(Store(home), device="cpu"))
    chain(config, resolve_base(config.base), direct)
    return direct.built


@cache
def _calm(scratch: Path) -> Workplace:
    """Return a workplace where training was neither stopped nor damaged."""
    place = Workplace(scratch / "calm")
    place.train()
    return place


def _is_calm(place: Workplace, folder: Path) -> bool:
    """Tell whether the weights and latents of a place are those of the calm one."""
    expected, found = (tensor_files(one.context.store.root) for one in (_calm(folder.parent), place))
    return bool(found) and found.items() <= expected.items()


def _compared(sound: Path, again: Path) -> Sameness:
    """Compare a second build of an artifact with the sound one."""
    recorded = read_manifest(sound)
    return compare_builds(sound, recorded.files, again) if recorded else Sameness((MANIFEST_NAME,))


def _linked(store: Path, copy: Path) -> Path:
    """Copy a store by links, which takes no time and no room; nothing in a store is written in place."""
    return Path(shutil.copytree(store, copy, copy_function=os.link))


@cache
def _stopped_training(scratch: Path) -> Path:
    """Return a store with the checkpoints of a training that was stopped, made once."""
    place = Workplace(scratch / "stopped")
    _stopped(place.train)
    return place.context.store.root


def _stopped(work: Callable[..., object]) -> None:
    """Begin the work, and have it stop in the middle, with what is finished on disk."""
    try:
        work(progress=_Stop(_STOPPED_AFTER))
    except StopError:
        return
    finally:
        interruption.forget()
    raise AssertionError("the work did not stop")


def _flip(file: Path) -> None:
    """Flip the bit in the middle, in a file of its own where it was a link."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.unlink()
    file.write_bytes(content)


@contextmanager
def _warned() -> Iterator[list[str]]:
    """Yield what the project warns of meanwhile."""
    handler, logger = _Warnings(), logging.getLogger("moongate")
    logger.addHandler(handler)
    try:
        yield handler.messages
    finally:
        logger.removeHandler(handler)


def _case(stage: str, name: str) -> Case:
    return Case(f"a flipped bit in {name} of {stage}", partial(_in_artifact, stage, name), name)


BITS = (
    *(_case(stage, name) for stage, name in _KINDS),
    *(
        Case(
            f"a flipped bit in {name} of a checkpoint",
            partial(_in_checkpoint, name),
            "looking for an earlier one",
        )
        for name in _OF_CHECKPOINTS
    ),
    Case("a flipped bit in a finished batch", _in_batch, "A finished batch is damaged"),
)
