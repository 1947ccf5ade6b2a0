"""What the installer sees of the machine, and of other installers."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitor.errors import InstallError
from monitor.install import apply, installation, model, observe, steps, units
from monitor.system import files


def state(mode: int, uid: int = 0) -> os.stat_result:
    """Return what stat says of a file or a folder."""
    return os.stat_result((mode, 1, 1, 1, uid, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/opt/speedmon", state(stat.S_IFDIR | 0o755), None),
        ("/opt/my tool", state(stat.S_IFDIR | 0o700), "may not enter /opt/my tool: chmod -R go+rX '/opt/my tool'"),
        ("/opt/speedmon", state(stat.S_IFREG | 0o700), "chmod -R go+rX /opt/speedmon"),
        ("/home/ann", state(stat.S_IFDIR | 0o700), "may not enter /home/ann: install it for the whole machine"),
        ("/opt/speedmon", state(stat.S_IFDIR | 0o777), "everybody may write to /opt/speedmon: chmod o-w"),
        ("/tmp", state(stat.S_IFDIR | 0o1777), None),  # noqa: S108  a sticky folder
        ("/home/ann/speedmon", state(stat.S_IFREG | 0o755, 4_000_000), "belongs to 4000000: install it for the whole"),
    ],
)
def test_a_program_that_services_must_not_run_has_its_fix(path: str, status: os.stat_result, says: str | None):
    """What was installed with a strict umask is opened, as another installation would not help; a home stays closed."""
    risk = observe.describe_risk(Path(path), status)
    assert risk is None if says is None else says in (risk or "")


def test_an_unfinished_file_of_a_killed_installation_goes(tmp_path: Path):
    """The next writing of the file removes it, and so does the removal of the file."""
    file, other = tmp_path / "speedmon.service", tmp_path / ".cron.abc.1.part"
    unfinished = tmp_path / f".{file.name}.0123456789abcdef.99{files.PART_SUFFIX}"
    for path in (unfinished, other):
        path.touch()
    assert files.find_unfinished(file) == [unfinished]
    apply.remove_unfinished(file)
    assert sorted(tmp_path.iterdir()) == [other]
    assert files.find_unfinished(tmp_path / "none" / "x") == []


def test_one_installer_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The second one is told so; nothing is left, even of one that fails."""
    monkeypatch.setattr(model, "INSTALL_LOCK_FILE", str(tmp_path / "lock"))
    with installation.sole_installer(), pytest.raises(InstallError, match="is at work"), installation.sole_installer():
        pass
    with pytest.raises(ZeroDivisionError), installation.sole_installer():
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_enables_a_missing_unit_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It cannot be disabled any more; and drop-ins of ours are seen, not those of others."""
    monkeypatch.setattr(model, "UNIT_DIRECTORY", str(tmp_path))
    for folder in ("multi-user.target.wants", f"{units.SERVE}.d", "other.service.d"):
        (tmp_path / folder).mkdir()
    for unit in (units.SERVE, units.NETNS, "other.service"):
        (tmp_path / "multi-user.target.wants" / unit).symlink_to(tmp_path / unit)
    (tmp_path / units.NETNS).touch()
    assert list(observe.find_dangling_links()) == [str(tmp_path / "multi-user.target.wants" / units.SERVE)]
    assert observe.find_overrides() == [str(tmp_path / f"{units.SERVE}.d")]


def test_the_removal_waits_for_a_test(monkeypatch: pytest.MonkeyPatch):
    """One that does not end is reported."""
    answers = iter([True, True, False])
    monkeypatch.setattr(apply, "is_testing", lambda: next(answers))
    monkeypatch.setattr(apply, "POLL_S", 0)
    apply.await_test(steps.AwaitTest(60, "lock"))
    assert list(answers) == []
    monkeypatch.setattr(apply, "is_testing", lambda: True)
    with pytest.raises(InstallError, match="a test still runs after 0 seconds"):
        apply.await_test(steps.AwaitTest(0, "lock"))


def test_the_processes_of_a_user_are_those_with_our_root():
    """This one is among them."""
    assert os.getpid() in apply.find_processes(os.getuid())
    assert list(apply.find_processes(4_000_000)) == []
