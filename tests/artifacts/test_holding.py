import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moongate.artifacts.holding import Holder, held_if_free, holder_of, open_lock, own_folder, try_lock
from moongate.errors import StoreError

ALICE, BOB = 64001, 64002
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users")


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that all users may write to and that keeps each one's files from the others, like /tmp."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        yield folder


def succeeds_as(user: int, action: Callable[[], object]) -> bool:
    """Do something in a process of a user, and tell whether it came to its end."""
    if (child := os.fork()) == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.umask(0o022)
            action()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def take(path: Path) -> None:
    with held_if_free(path, "train tuned of r1") as held:
        assert held


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


def test_who_only_looks_whether_a_lock_is_held_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    lock = tmp_path / "one.lock"
    lock.touch()
    with lock.open() as look, open_lock(lock) as wanted:
        fcntl.flock(look, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (look, fcntl.LOCK_UN)).start()
        assert try_lock(wanted)
        with open_lock(lock) as other:
            begun = time.monotonic()
            assert not try_lock(other)
            assert time.monotonic() - begun < 0.2


@pytest.mark.parametrize("there", [True, False])
def test_a_lock_file_that_leads_elsewhere_is_refused_and_nothing_is_written_there(
    tmp_path: Path, there: bool
) -> None:
    victim, lock = tmp_path / "victim", tmp_path / "one.lock"
    if there:
        victim.write_text("precious")
    lock.symlink_to(victim)
    for use in (take, holder_of):
        with pytest.raises(StoreError, match="the file is a link"):
            use(lock)
    assert victim.exists() == there
    assert not there or victim.read_text() == "precious"


def test_a_folder_of_ones_own_is_made_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "devices"
    assert own_folder(folder) == folder
    folder.chmod(0o777)
    assert own_folder(folder).stat().st_mode & 0o777 == 0o700


def test_a_folder_of_ones_own_that_is_a_link_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name, why in (("file", "it is no folder"), ("link", "it is a link")):
        with pytest.raises(StoreError, match=why):
            own_folder(tmp_path / name)


@is_root
def test_a_folder_that_another_user_has_made_first_is_refused(everybodys: Path) -> None:
    folder = everybodys / "devices"
    assert succeeds_as(ALICE, folder.mkdir)
    with pytest.raises(StoreError, match=f"it belongs to the user with id {ALICE}"):
        own_folder(folder)


@is_root
def test_users_take_turns_at_a_lock_in_a_folder_that_they_share(everybodys: Path) -> None:
    lock = everybodys / "one.lock"
    for user in (ALICE, BOB, ALICE):
        assert succeeds_as(user, lambda: take(lock))
    with held_if_free(lock, "root's"):
        assert not succeeds_as(BOB, lambda: take(lock))


@is_root
def test_a_lock_in_a_folder_of_ones_own_is_nobody_elses_to_take(everybodys: Path) -> None:
    lock = everybodys / "devices" / "one.lock"
    assert succeeds_as(ALICE, lambda: take(lock))
    assert not succeeds_as(BOB, lambda: take(lock))


@is_root
def test_a_lock_that_another_user_keeps_to_himself_is_refused_with_its_owner(everybodys: Path) -> None:
    lock = everybodys / "one.lock"
    assert succeeds_as(ALICE, lambda: os.close(os.open(lock, os.O_CREAT, 0o600)))

    def refused() -> None:
        for use in (take, holder_of):
            with pytest.raises(StoreError, match=f"it belongs to the user with id {ALICE}"):
                use(lock)

    assert succeeds_as(BOB, refused)


@is_root
def test_a_folder_that_another_user_keeps_to_himself_is_refused(everybodys: Path) -> None:
    folder = everybodys / "devices"
    assert succeeds_as(ALICE, lambda: folder.mkdir(mode=0o755))

    def refused() -> None:
        with pytest.raises(StoreError, match="may not be entered or written"):
            take(folder / "one.lock")

    assert succeeds_as(BOB, refused)
