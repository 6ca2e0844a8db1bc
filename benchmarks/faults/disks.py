"""Disks that are full, too small or locked."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.faults.case import NOTHING, Case, Seen, refusal
from benchmarks.faults.command_line import tensor_files
from benchmarks.faults.limits import Flood, make_read_only, short_files, small_disk
from benchmarks.faults.workplace import Workplace

_MIB = 2**20


def _full_while_caching(folder: Path) -> Seen:
    with small_disk(folder, 64 * _MIB) as disk:
        place, flood = Workplace(disk), Flood(disk, after=3)
        message = refusal(lambda: place.latents(flood))
        debris = place.debris()
        flood.dry_up()
        again = place.latents()
        return Seen(
            message, "the stage that was at work", "the same call does it", not (debris or again.cached)
        )


def _full_while_training(folder: Path) -> Seen:
    undisturbed = _weights(Workplace(folder))
    with small_disk(folder, 512 * _MIB) as disk:
        # After three steps there is a checkpoint of the second, and the next one does not fit.
        place, flood, counted = Workplace(disk), Flood(disk, after=3), Flood(disk, after=-1)
        message = refusal(lambda: place.train(progress=flood))
        debris = place.debris()
        flood.dry_up()
        place.train(progress=counted)
        same = _weights(place) == undisturbed
        resumed = counted.seen[0]
        lost = f"the steps since the last checkpoint, {4 - resumed} of 4"
        return Seen(
            message, lost, "the same call ends with the same bytes", same and resumed == 2 and not debris
        )


def _weights(place: Workplace) -> Mapping[str, str]:
    return tensor_files(place.context.store.folder(place.train().ref))


def _file_may_not_grow(folder: Path) -> Seen:
    place = Workplace(folder)
    with short_files(_MIB // 64):
        message = refusal(place.latents)
    debris, again = place.debris(), place.latents()
    return Seen(message, "the stage that was at work", "the same call does it", not (debris or again.cached))


def _too_little_room(folder: Path) -> Seen:
    with small_disk(folder, 64 * _MIB) as disk:
        place = Workplace(disk)
        message = refusal(place.train)
        kept = place.latents().cached
        return Seen(message, NOTHING, "what came before is kept", kept and not place.debris())


def _read_only(folder: Path) -> Seen:
    with small_disk(folder, 64 * _MIB) as disk:
        place = Workplace(disk)
        ref = place.latents().ref
        make_read_only(disk)
        message = refusal(place.context.store.require_writable)
        kept = place.context.store.manifest(ref).problems(place.context.store.folder(ref))
        return Seen(message, NOTHING, "what is there can be read", not kept)


DISKS = (
    Case("a disk that fills up while latents are cached", _full_while_caching, "No space left on device"),
    Case("a disk that fills up during training", _full_while_training, "No space left on device"),
    Case("a limit on the size of files", _file_may_not_grow, "File too large"),
    Case("a disk that is too small for the stage", _too_little_room, "are needed and"),
    Case("a disk that can only be read", _read_only, "Read-only file system"),
)
