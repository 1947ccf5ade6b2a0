"""Root works in a foreign folder as its owner, in the thread that works there and no other, or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from private_machine import PrivateMachine

from monitor.errors import OutputError, StateFileError
from monitor.system import files, state_files
from monitor.system.ownership import Owner, acting_as, open_place, owner_of_file

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.root

ANN, BOB = 4001, 4002

AS_ANN = Owner(ANN, ANN, (ANN,))


def identity() -> Owner:
    """Return the identity of this thread."""
    return Owner(os.geteuid(), os.getegid(), tuple(os.getgroups()))


@pytest.fixture
def open_tmp(tmp_path: Path) -> Path:
    """Return the test's folder, through which other users may pass."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    return tmp_path


@pytest.fixture
def ann(open_tmp: Path) -> Path:
    """Return a folder of ann's."""
    folder = open_tmp / "ann"
    folder.mkdir()
    os.chown(folder, ANN, ANN)
    return folder


@pytest.fixture
def secret(open_tmp: Path) -> Path:
    """Return a file of root's in a folder of root's."""
    (open_tmp / "root").mkdir(mode=0o700)
    file = open_tmp / "root" / "secret"
    file.write_text("root's")
    file.chmod(0o600)
    return file


def plant(link: Path, target: Path, uid: int = ANN) -> Path:
    """Make a link as another user would."""
    link.symlink_to(target)
    os.lchown(link, uid, uid)
    return link


def fail_as_ann() -> None:
    """Raise an exception as ann."""
    assert identity() == AS_ANN
    raise ZeroDivisionError


def test_only_the_thread_that_works_there_changes(ann: Path):
    """The others of a daemon go on as root meanwhile, and so does this one afterwards, also after an exception."""
    before, seen = identity(), []
    with pytest.raises(ZeroDivisionError), acting_as(AS_ANN):
        fail_as_ann()
    assert identity() == before

    begin, end = threading.Event(), threading.Event()

    def work() -> None:
        with acting_as(AS_ANN):
            seen.append(identity())
            begin.set()
            end.wait(60)
        seen.append(identity())

    other = threading.Thread(target=work)
    other.start()
    assert begin.wait(60)
    assert identity() == before
    end.set()
    other.join()
    assert seen == [AS_ANN, before]


def test_no_capability_is_left_meanwhile(secret: Path):
    """As ann root may not read what is root's, nor become bob, and it may go back."""
    with acting_as(AS_ANN):
        with pytest.raises(PermissionError):
            secret.read_text()
        status = Path("/proc/thread-self/status").read_text()
    assert "CapEff:\t0000000000000000\n" in status
    assert secret.read_text() == "root's"


# Of a file that somebody has only read.
UNCHANGED = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns")

WRITERS: dict[str, Callable[[Path], object]] = {
    "write_file": lambda path: files.write_file(path, b"new"),
    "replace_file": lambda path: files.replace_file(path, b"new"),
    "make_file": files.make_file,
    "make_folder": lambda path: files.make_folder(path, 0o755),
    "open_lock_file": lambda path: os.close(state_files.open_lock_file(path)),
    "remove_file": files.remove_file,
    "set_aside": state_files.set_aside,
    "read_file": lambda path: state_files.read_file(path, 100),
}


def try_to(action: Callable[[Path], object], path: Path) -> None:
    """Carry out an action that may be refused."""
    with contextlib.suppress(OSError, OutputError, StateFileError):
        action(path)


@pytest.mark.parametrize("name", WRITERS)
def test_a_planted_link_leads_root_nowhere(ann: Path, secret: Path, name: str):
    """Neither a link in the place of the file, nor of its folder, nor a chain of them, changes anything of root's."""
    before, status = sorted(secret.parent.iterdir()), secret.stat()
    chain = plant(ann / "chain", plant(ann / "folder", secret.parent))
    for path in (
        plant(ann / "file", secret),
        plant(ann / "new", secret.parent / "new"),
        chain / "secret",
        chain / "new",
        ann / ".." / "ann" / "folder" / "new",
    ):
        try_to(WRITERS[name], path)
    assert sorted(secret.parent.iterdir()) == before
    after = secret.stat()
    assert [getattr(after, name) for name in UNCHANGED] == [getattr(status, name) for name in UNCHANGED]
    assert secret.read_text() == "root's"
    assert {path.lstat().st_uid for path in ann.iterdir()} == {ANN}


@pytest.mark.parametrize("name", ["write_file", "replace_file", "make_file", "make_folder", "open_lock_file"])
def test_what_root_makes_is_the_owners(ann: Path, name: str):
    """It is made as the owner, so nothing has to be handed over."""
    WRITERS[name](ann / "new")
    assert (ann / "new").stat().st_uid == ANN
    assert [path.name for path in ann.iterdir()] == ["new"]


@pytest.mark.parametrize("name", ["write_file", "make_file"])
def test_a_strangers_link_in_tmp_leads_to_what_the_stranger_may(open_tmp: Path, secret: Path, name: str):
    """The folder is root's, and all can write to it, as /tmp."""
    shared = open_tmp / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for link, target in (("file", secret), ("new", secret.parent / "new"), ("folder", secret.parent)):
        plant(shared / link, target)
    for path in (shared / "file", shared / "new", shared / "folder" / "new"):
        try_to(WRITERS[name], path)
    assert (secret.read_text(), len([*secret.parent.iterdir()])) == ("root's", 1)


def test_links_of_root_are_followed(open_tmp: Path, secret: Path):
    """An admin may put the folder of the pictures elsewhere."""
    (open_tmp / "link").symlink_to(secret.parent)
    files.write_file(open_tmp / "link" / "picture", b"new")
    assert (secret.parent / "picture").read_bytes() == b"new"


def test_the_first_foreign_folder_decides(ann: Path):
    """Bob's folder in ann's, and root's in ann's, are ann's to exchange: root works there as ann."""
    for name, uid in (("bob", BOB), ("root", 0)):
        (ann / name).mkdir()
        os.chown(ann / name, uid, uid)
        assert owner_of_file(ann / name / "file") == AS_ANN
        with pytest.raises(OutputError, match=f"cannot be written as user {ANN}, as whom root works"):
            files.write_file(ann / name / "file", b"new")


def test_a_fifo_that_another_user_put_there_does_not_hold_root_up(ann: Path):
    """A plain user may write into a FIFO of its own; root does not wait for somebody else's reader."""
    os.mkfifo(ann / "graph.png")
    os.chown(ann / "graph.png", ANN, ANN)
    with pytest.raises(OutputError, match="neither a file nor free"):
        files.write_file(ann / "graph.png", b"new")
    files.replace_file(ann / "graph.png", b"new")
    assert stat.S_ISREG((ann / "graph.png").lstat().st_mode)


def test_a_link_of_proc_is_left_to_the_kernel(tmp_path: Path):
    """/dev/stdout and its like do not lead where they say."""
    target = tmp_path / "out"
    with target.open("wb") as opened:
        files.write_file(Path(f"/proc/self/fd/{opened.fileno()}"), b"new")
    assert target.read_bytes() == b"new"


def test_circles_end(open_tmp: Path):
    """Links that lead to each other are an error, not a hang."""
    (open_tmp / "a").symlink_to("b/x")
    (open_tmp / "b").symlink_to("a/x")
    with pytest.raises(OSError, match="symbolic links"), open_place(open_tmp / "a" / "file"):
        pass


WITHOUT_SETUID = """
from pathlib import Path
from monitor.errors import OutputError
from monitor.system import files
try:
    files.write_file(Path("/run/ann/file"), b"new")
except OutputError as error:
    print(error)
"""


def test_root_that_may_not_change_users_refuses(machine: PrivateMachine):
    """Without the capability nothing is written as root instead, and the message says what to do."""
    machine.run(["sh", "-c", f"mkdir /run/ann; chown {ANN} /run/ann"])
    lame = ["setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-all", sys.executable, "-c", WITHOUT_SETUID]
    said = machine.run(lame).stdout
    assert "root may not act as another user here" in said
    assert "run it as the folder's owner" in said
    assert machine.run(["ls", "/run/ann"]).stdout == ""


IN_USER_NAMESPACE = """
from pathlib import Path
from monitor.system.ownership import owner_of_file
print(owner_of_file(Path("/file")), owner_of_file(Path("/tmp/file")))
"""


def test_root_of_a_user_namespace_is_no_other_user():
    """Users whom it does not know are beyond its power anyway; it works as itself."""
    with PrivateMachine(user_namespace=True) as machine:
        assert machine.python(IN_USER_NAMESPACE).stdout == "None None\n"
