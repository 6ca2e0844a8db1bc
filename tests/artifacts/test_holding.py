import os
from pathlib import Path

from moongate.artifacts.holding import Holder, held_if_free, holder_of


def test_the_holder_of_a_lock_is_known_as_long_as_it_is_held(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "one.lock"
    assert holder_of(lock) is None
    with held_if_free(lock, "train tuned of r1") as held:
        assert held
        holder = holder_of(lock)
        assert holder is not None
        assert (holder.pid, holder.purpose) == (os.getpid(), "train tuned of r1")
        assert str(holder).startswith(f"train tuned of r1 (process {os.getpid()}, since 2")
        with held_if_free(lock, "somebody else") as also:
            assert not also
    assert holder_of(lock) is None


def test_a_holder_that_has_not_written_its_name_yet_is_one_all_the_same(tmp_path: Path) -> None:
    lock = tmp_path / "one.lock"
    with held_if_free(lock, "x"):
        lock.write_text("")
        assert holder_of(lock) == Holder()
        lock.write_text('{"pid": ')
        assert holder_of(lock) == Holder()
