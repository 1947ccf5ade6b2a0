"""The plan of an installation: what is missing is planned once, in an order that can be taken back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from monitor.errors import UsageError
from monitor.install import model, planner, steps, units
from monitor.install.model import (
    FileState,
    InstalledProgram,
    InstallRecord,
    InstallRequest,
    MachineState,
    SchedulerKind,
)

PROGRAM = InstalledProgram("/opt/speedmon/bin/speedmon", "/opt/speedmon/bin/python", "1.0")
SERVE = InstallRequest(SchedulerKind.SERVE, ("ann",))
UNIT = f"{model.UNIT_DIRECTORY}/{units.SERVE}"
FILES = {model.CONFIG_FILE: "[database]\n", UNIT: "[Service]\n"}
BARE = MachineState(systemd=True, compiler=True, namespace_changes=("ip netns add ip4only",))


def directory(mode: int, user: str = "root", group: str = "root") -> FileState:
    """Return a folder's state."""
    return FileState(mode, user, group)


def installed(scheduler: SchedulerKind = SchedulerKind.SERVE) -> MachineState:
    """Return a machine on which everything is as planned."""
    record = planner.next_record(InstallRequest(scheduler, ("ann",)), BARE, PROGRAM)
    files = {path: FileState(planner.file_mode(path), "root", planner.file_group(path), FILES[path]) for path in FILES}
    files[model.RECORD_FILE] = FileState(0o644, "root", "root", planner.encode_record(record))
    parents = {str(path) for path in record.directories}
    enabled = frozenset(units.ENABLED[scheduler])
    return replace(
        BARE,
        user_group="speedmon",
        group_members=("ann",),
        files=files,
        directories={
            model.CONFIG_DIRECTORY: directory(model.CONFIG_DIRECTORY_MODE),
            model.STATE_DIRECTORY: directory(model.STATE_MODE, "speedmon", "speedmon"),
            model.LOG_DIRECTORY: directory(0o755),
            **{path: directory(0o755) for path in parents},
        },
        enabled=enabled,
        active=enabled,
        schema_current=True,
        namespace_changes=(),
        namespace_exists=True,
        record=record,
    )


def planned(machine: MachineState, request: InstallRequest = SERVE) -> list[str]:
    """Return the steps of an installation in words."""
    return [str(step) for step in planner.plan_install(request, machine, FILES, PROGRAM)]


def test_what_was_made_is_recorded_before_it_is_made():
    """A killed installation still knows which user and group are its own."""
    words = planned(BARE)
    record = next(i for i, word in enumerate(words) if model.RECORD_FILE in word)
    assert record < next(i for i, word in enumerate(words) if word.startswith("groupadd"))


def test_the_group_comes_before_the_user():
    """The user is made with the group that exists by then, so that the two names never clash."""
    words = planned(BARE)
    made = [word for word in words if word.startswith(("groupadd", "useradd", "usermod"))]
    assert [word.split()[0] for word in made] == ["groupadd", "useradd", "usermod"]
    assert "--gid speedmon" in made[1]


def test_a_group_that_exists_is_used_and_not_ours():
    """`setup-netns` may have made it, or the administrator."""
    machine = replace(BARE, group_members=())
    assert not [word for word in planned(machine) if word.startswith("groupadd")]
    record = planner.next_record(SERVE, machine, PROGRAM)
    assert (record.made_user, record.made_group) == (True, False)


def test_a_second_call_plans_nothing():
    """Everything is as it should be."""
    assert planned(installed()) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"enabled": frozenset()}, "systemctl enable speedmon-serve.service"),
        ({"active": frozenset()}, "systemctl start speedmon-serve.service"),
        ({"schema_current": False}, "db upgrade"),
        ({"strays": ("/var/lib/speedmon/speedmon.db",)}, "chown -hR speedmon:speedmon /var/lib/speedmon"),
        ({"namespace_changes": ("nft -j -f -",)}, "speedmon setup-netns"),
        ({"user_group": None}, "useradd"),
        ({"group_members": ()}, "usermod --append --groups speedmon ann"),
        ({"stale": frozenset({units.SERVE})}, "systemctl stop speedmon-serve.service"),
    ],
)
def test_only_what_is_missing_is_planned(changed: dict[str, object], expected: str):
    """After a kill, and after somebody undid a part, the rest is done."""
    words = planned(replace(installed(), **changed))
    assert any(expected in word for word in words), words
    assert not any("useradd" in word for word in words) or expected == "useradd"


def test_what_runs_is_stopped_before_its_database_is_upgraded():
    """No writer of the old version is left; afterwards it runs again."""
    words = planned(replace(installed(), schema_current=False))
    order = [
        next(i for i, word in enumerate(words) if part in word)
        for part in ("stop speedmon-serve", "db upgrade", "start speedmon-serve")
    ]
    assert order == sorted(order)


def test_data_of_an_earlier_installation_is_taken_over_before_it_is_upgraded():
    """Root keeps it after a removal; the service's user could not open it."""
    machine = replace(BARE, strays=("/var/lib/speedmon/speedmon.db",))
    words = planned(machine)
    given = next(i for i, word in enumerate(words) if word.startswith("chown"))
    assert given < next(i for i, word in enumerate(words) if "db upgrade" in word)


def test_another_version_restarts_what_runs():
    """After `pipx upgrade`, the daemon would go on with the old code."""
    machine = replace(installed(), record=replace(installed().record or InstallRecord(), version="0.9"))
    words = planned(machine)
    assert "systemctl stop speedmon-serve.service" in words
    assert "systemctl start speedmon-serve.service" in words


@pytest.mark.parametrize("scheduler", [SchedulerKind.TIMER, SchedulerKind.NONE])
def test_exactly_one_scheduler_runs(scheduler: SchedulerKind):
    """Another scheduler's units end first, whatever ran before."""
    words = planned(installed(), InstallRequest(scheduler))
    assert "systemctl disable --now speedmon-serve.service" in words
    started = {word.split()[-1] for word in words if " start " in word}
    assert units.SERVE not in started
    assert (units.TIMER in started) == (scheduler is SchedulerKind.TIMER)


def test_cron_leaves_no_unit():
    """The units of another scheduler are removed with their files."""
    words = planned(installed(), InstallRequest(SchedulerKind.CRON))
    assert f"rm -f {UNIT}" in words
    assert {f"systemctl disable --now {unit}" for unit in units.ENABLED[SchedulerKind.SERVE]} <= {*words}


def test_a_unit_of_an_older_version_is_removed():
    """The timer that `deploy/` once had would set the namespace up a second time."""
    timer = "speedmon-netns.timer"
    machine = installed()
    files = {**machine.files, f"{model.UNIT_DIRECTORY}/{timer}": FileState(0o644, "root", "root", "")}
    words = planned(replace(machine, files=files, enabled=machine.enabled | {timer}))
    assert words[:2] == [f"systemctl disable --now {timer}", f"rm -f {model.UNIT_DIRECTORY}/{timer}"]


def test_the_steps_can_be_taken_back():
    """The undo of each step that makes something removes it; what existed stays."""
    undone = [str(step.undo) for step in planner.plan_install(SERVE, BARE, FILES, PROGRAM) if step.undo]
    assert f"rm -f {UNIT}" in undone
    assert {"groupdel speedmon", "userdel speedmon", "speedmon teardown-netns"} <= {*undone}
    kept = steps.MakeFolder(model.STATE_DIRECTORY, model.STATE_MODE, existed=True)
    assert kept.undo is None


def test_uninstall_keeps_data_and_configuration():
    """They belong to root afterwards, as their owner goes."""
    words = [str(step) for step in planner.plan_uninstall(installed(), purge=False)]
    assert not [word for word in words if word.startswith("rm -rf /var/lib")]
    assert f"rm -f {model.CONFIG_FILE}" not in words
    assert any(word.startswith("chown -hR root:root /var/lib/speedmon") for word in words)
    assert words.index("userdel speedmon") > words.index("speedmon teardown-netns")
    assert f"rm -f {UNIT}" in words


def test_uninstall_ends_what_starts_tests_before_the_tests():
    """Nothing starts a test once the tests are ended, and systemd lists no failed unit afterwards."""
    machine = replace(installed(), running=frozenset({units.SERVE, units.COLLECT}), is_testing=True)
    words = [str(step) for step in planner.plan_uninstall(machine, purge=False)]
    starts, test = (
        words.index("systemctl disable --now speedmon-serve.service"),
        words.index(f"systemctl stop {units.COLLECT}"),
    )
    waits = next(i for i, word in enumerate(words) if word.startswith("flock"))
    forgets = next(i for i, word in enumerate(words) if word.startswith("systemctl reset-failed"))
    assert starts < test < forgets < waits < words.index(f"rm -f {UNIT}")


def test_units_that_run_without_their_files_are_ended():
    """Somebody has removed the files by hand."""
    machine = MachineState(systemd=True, running=frozenset({units.SERVE}))
    assert "systemctl stop speedmon-serve.service" in map(str, planner.plan_uninstall(machine, purge=False))


def test_a_link_of_a_missing_unit_goes_with_its_folder():
    """As `systemctl disable` does, which needs the unit."""
    link = f"{model.UNIT_DIRECTORY}/sockets.target.wants/{units.SOCKET}"
    machine = MachineState(
        systemd=True, files={link: FileState(0o777, "root", "root", "")}, enabled=frozenset({units.SOCKET})
    )
    words = [str(step) for step in planner.plan_uninstall(machine, purge=False)]
    assert f"systemctl disable --now {units.SOCKET}" not in words
    folder = f"rmdir --ignore-fail-on-non-empty {model.UNIT_DIRECTORY}/sockets.target.wants"
    assert words.index(f"rm -f {link}") < words.index(folder)


def test_what_runs_for_another_scheduler_ends_before_its_file_goes():
    """The graphs that are drawn just then would leave a unit without a file."""
    machine = installed()
    files = {**machine.files, f"{model.UNIT_DIRECTORY}/{units.REPORT}": FileState(0o644, "root", "root", "")}
    machine = replace(machine, files=files, running=frozenset({units.REPORT}))
    words = planned(machine, InstallRequest(SchedulerKind.CRON))
    stop = words.index(f"systemctl stop {units.REPORT}")
    assert stop < words.index(f"rm -f {model.UNIT_DIRECTORY}/{units.REPORT}")


def test_drop_ins_are_configuration():
    """They stay unless all of it goes."""
    folder = f"{model.UNIT_DIRECTORY}/{units.SERVE}.d"
    machine = replace(installed(), overrides=(folder,))
    kept, purged = (map(str, planner.plan_uninstall(machine, purge=purge)) for purge in (False, True))
    assert f"rm -rf {folder}" not in kept
    assert f"rm -rf {folder}" in purged


def test_a_group_that_set_up_made_is_ours():
    """`setup-netns` came before the installation: the group goes with it."""
    machine = replace(BARE, group_members=("ann",), namespace_made_group=True)
    assert planner.next_record(SERVE, machine, PROGRAM).made_group


def test_a_read_only_usr_local_gets_no_folders():
    """Nothing is planned there."""
    assert not [word for word in planned(replace(BARE, local_writable=False)) if "/usr/local" in word]


def test_purge_removes_them_too():
    """Nothing is left."""
    words = [str(step) for step in planner.plan_uninstall(installed(), purge=True)]
    assert {"rm -rf /var/lib/speedmon", "rm -rf /etc/speedmon"} <= {*words}


def test_a_group_of_somebody_else_stays():
    """Only the members that install added leave it."""
    record = InstallRecord(made_user=True, made_group=False, members=("ann",))
    words = [str(step) for step in planner.plan_uninstall(replace(installed(), record=record), purge=False)]
    assert "groupdel speedmon" not in words
    assert "gpasswd --delete ann speedmon" in words


def test_uninstall_after_uninstall_plans_nothing():
    """What it keeps is not touched again."""
    machine = MachineState(systemd=True, directories={model.STATE_DIRECTORY: directory(0o750)})
    assert planner.plan_uninstall(machine, purge=False) == ()


@pytest.mark.parametrize(
    ("asked", "systemd", "record", "expected"),
    [
        (None, True, None, SchedulerKind.SERVE),
        (None, False, None, SchedulerKind.CRON),
        (None, True, InstallRecord(scheduler=SchedulerKind.TIMER), SchedulerKind.TIMER),
        (SchedulerKind.SERVE, True, InstallRecord(scheduler=SchedulerKind.TIMER), SchedulerKind.SERVE),
        (SchedulerKind.CRON, False, None, SchedulerKind.CRON),
    ],
)
def test_the_scheduler_is_the_one_asked_for_or_the_one_before(
    asked: SchedulerKind | None, systemd: bool, record: InstallRecord | None, expected: SchedulerKind
):
    """Without systemd, cron is the usual one."""
    assert planner.choose_scheduler(asked, MachineState(systemd=systemd, record=record)) is expected


def test_a_scheduler_that_cannot_run_is_refused():
    """The message names the one that can."""
    with pytest.raises(UsageError, match="use --scheduler cron"):
        planner.choose_scheduler(SchedulerKind.TIMER, MachineState(systemd=False))
