"""What the README promises, on Debian 12 and 13 as they boot: two commands, and the line is watched for years.

`make test-system` runs this; it is no part of `make test`, because it makes and boots whole systems. The tests of a
system follow each other: each continues where the one before stopped.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
import time
from typing import TYPE_CHECKING, Any

import pytest
from debian_machine import DebianMachine
from debian_tree import SUITES
from places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

DEADLINE_S = 600

# Every file but those that a running system writes by itself; the network, the accounts, and settings of the kernel.
SNAPSHOT = r"""
{
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /var/cache/wheels -o -path /var/log/journal \
        -o -path /home/ann -o -path /root -o -path /tmp/systemd-private* \) -prune -o -printf '%p %y %m %u %g %l\n'
    find /run /tmp -xdev -printf '%p %y %m %u %g %l\n'
    find /etc /usr/local /var/lib -xdev -type f ! -name '*-' -exec md5sum {} +
    ip -br link; ip rule; ip route show table all; nft list ruleset; cat /etc/passwd /etc/group /etc/shadow
    cut -d' ' -f4-5 /proc/self/mountinfo
    grep -r . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv4/ip_forward
    systemctl list-unit-files --no-legend; systemctl list-units --all --no-legend 'speedmon*'
} | grep -v -E '__pycache__|\.pyc |/(run|var/lib)/(systemd|sudo|private|log|udev|user|dhc)' |
    grep -v -E '/etc/(passwd|group|shadow|gshadow|subuid|subgid)- |/etc/.pwd.lock|session-|user@' | sort
"""

INSTALLED_FILES = ("/opt/pipx", "/usr/local/bin/speedmon")


@pytest.fixture(scope="module", params=SUITES, ids=[suite.name for suite in SUITES])
def debian(request: pytest.FixtureRequest) -> Iterator[DebianMachine]:
    """Yield a Debian system as it is after its installation."""
    with DebianMachine(request.param) as booted:
        yield booted


def readme_commands(heading: str) -> list[str]:
    """Return the commands of the first block of shell below a heading of the README, without comments."""
    section = (ROOT / "README.md").read_text().partition(f"## {heading}")[2]
    match = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert match is not None
    lines = (line.partition("   #")[0].strip() for line in match[1].splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def runs(debian: DebianMachine, user: str | None = None) -> list[dict[str, Any]]:
    """Return the stored runs, newest first."""
    rows: list[dict[str, Any]] = json.loads(debian.shell("speedmon history --json", user=user).strip())
    return rows


def measure(debian: DebianMachine) -> dict[str, Any]:
    """Let the service run its next test now; return the stored run."""
    before = len(runs(debian))
    debian.shell("systemctl start speedmon-collect.service")
    rows = runs(debian)
    assert len(rows) == before + 1, f"{rows[:2]}\n{journal(debian)}"
    return rows[0]


def wait_for(condition: Callable[[], bool], why: Callable[[], str]) -> None:
    """Wait until a condition holds, for a while at most."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(1)


def journal(debian: DebianMachine) -> str:
    """Return what our units said."""
    return debian.shell("journalctl --no-pager --lines 60 --unit 'speedmon*'", check=False)


def page_answers(debian: DebianMachine) -> bool:
    """Return whether the page is served."""
    code = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8765/', timeout=60).status)"
    return "200" in debian.shell(f"python3 -c {shlex.quote(code)}", check=False)


def test_two_commands_install_it(debian: DebianMachine):
    """The README's commands, as a plain user with sudo; the last one ends with a test, the page and what to type.

    pip has no index here: where the README names the checkout, that is installed, where it names the distribution, the
    wheel of this checkout, in place of one from the index.
    """
    commands = readme_commands("Install it")
    assert len([line for line in commands if not line.startswith("sudo apt")]) == 2, commands
    for line in commands[:-1]:
        debian.shell(f"cd speedmon && {line}", user="ann")
    debian.before = debian.shell(SNAPSHOT).splitlines()
    said = debian.shell(f"cd speedmon && USER=ann; {commands[-1]}", user="ann")
    assert "first test: download " in said
    assert "page: http://127.0.0.1:8765/" in said
    assert "next: speedmon status" in said
    assert ("no C compiler" in said) == ("gcc" not in debian.suite.packages)
    wait_for(lambda: page_answers(debian), lambda: journal(debian))


def test_a_second_time_changes_nothing(debian: DebianMachine):
    """Neither a step nor a test."""
    before = len(runs(debian))
    assert "already installed, nothing changed" in debian.shell("sudo speedmon install --user ann", user="ann")
    assert json.loads(debian.shell("speedmon install --dry-run --json"))["steps"] == []
    assert len(runs(debian)) == before


def test_all_see_one_database(debian: DebianMachine):
    """Service, root and members; a member's own test goes there too, with the launcher or without a compiler."""
    assert runs(debian) == runs(debian, "ann")
    assert "download " in debian.shell("speedmon collect", user="ann")
    newest = runs(debian)[0]
    assert (newest["status"], newest["path"], newest["trigger"]) == ("ok", "ip4only", "cli")
    assert runs(debian, "ann")[0] == newest
    assert "speedmon speedmon" in debian.shell("stat --format '%U %G' /var/lib/speedmon")


def test_who_is_not_in_the_group_is_told(debian: DebianMachine):
    """One line with the command, and another one for a session from before the login."""
    debian.shell("useradd --create-home bob")
    said = debian.shell("speedmon history", user="bob", check=False)
    assert "sudo speedmon install --user bob" in said
    assert len(said.strip().splitlines()) == 1
    debian.shell("usermod --append --groups speedmon bob")
    old_session = "setpriv --reuid bob --regid bob --clear-groups speedmon history"
    said = debian.shell(old_session, check=False)
    assert "log out and in again" in said
    assert len(said.strip().splitlines()) == 1
    debian.shell("userdel --remove bob 2>/dev/null")


def test_the_units_are_hardened(debian: DebianMachine):
    """Nothing to complain about for systemd, and an exposure below 2.5 for what does not set up the network."""
    examine_units(debian)


def examine_units(debian: DebianMachine) -> None:
    """Let systemd judge each unit that is installed now."""
    for unit in debian.shell("ls /etc/systemd/system | grep '^speedmon.*[ert]$'").split():
        assert debian.shell(f"systemd-analyze verify --man=no /etc/systemd/system/{unit}") == "", unit
        if unit.endswith(".service") and unit != "speedmon-netns.service":
            shown = debian.shell(f"systemd-analyze security --no-pager --offline=yes /etc/systemd/system/{unit}")
            match = re.search(r"Overall exposure level for \S+: ([\d.]+)", shown)
            assert match is not None
            assert float(match[1]) < 2.5, f"{unit}: {match[1]}"


def test_the_daemon_has_no_way_to_privileges(debian: DebianMachine):
    """No capability, not even in the bounding set, and no means to gain one; its process is outside the namespace."""
    status = debian.shell("cat /proc/$(systemctl show --value --property=MainPID speedmon-serve)/status")
    assert re.findall(r"Cap(?:Inh|Prm|Eff|Bnd|Amb):\t(\w+)", status) == ["0" * 16] * 5
    assert "NoNewPrivs:\t1" in status


RENAME = """
ifdown eth0; ip link set eth0 down; ip link set eth0 name wan7
sed -i s/eth0/wan7/ /etc/network/interfaces; ifup wan7
"""


# The lab's name server listens on one address; a query to the other one is passed on to it.
SECOND_NAME_SERVER = (
    "table ip second { chain in { type nat hook prerouting priority dstnat;"
    " ip daddr 203.0.113.54 udp dport 53 dnat to 203.0.113.53; }; }"
)


def take_other_address(debian: DebianMachine) -> None:
    """Let the router give another address and another name server."""
    debian.host(f"ip -n isp address add 203.0.113.54/24 dev home0; ip netns exec isp nft '{SECOND_NAME_SERVER}'")
    debian.serve_dhcp("203.0.113.77", "203.0.113.54")
    debian.shell("ifdown wan7; rm -f /var/lib/dhc*/*lease*; ifup wan7")


def replace_uplink(debian: DebianMachine) -> None:
    """Take the interface away, and plug in another one."""
    debian.shell("ifdown wan7; sed -i s/wan7/usb3/ /etc/network/interfaces")
    debian.replace_cable("usb3")
    debian.shell("ifup usb3")


EVENTS: dict[str, Callable[[DebianMachine], object]] = {
    "the firewall is flushed": lambda debian: debian.shell("nft flush ruleset"),
    "the firewall is reloaded": lambda debian: debian.shell("systemctl restart nftables"),
    "the namespace is deleted": lambda debian: debian.shell("ip netns delete ip4only"),
    "forwarding is turned off": lambda debian: debian.shell(
        "for value in 1 0; do echo $value >/proc/sys/net/ipv4/ip_forward; done"
    ),
    "the uplink is renamed": lambda debian: debian.shell(RENAME),
    "DHCP gives another address and name server": take_other_address,
    "the uplink is replaced": replace_uplink,
}


@pytest.mark.parametrize("event", EVENTS)
def test_it_heals_itself(debian: DebianMachine, event: str):
    """The next test is good, over the right path; `status` says that something was mended."""
    repairs = len(json.loads(debian.shell("speedmon status --json", check=False))["repairs"])
    EVENTS[event](debian)
    run = measure(debian)
    assert (run["status"], run["path"]) == ("ok", "ip4only"), f"{run['failure']}\n{journal(debian)}"
    status = json.loads(debian.shell("speedmon status --json"))
    healed = status["repairs"]
    assert len(healed) == repairs + 1, healed[:2]
    assert not [row for row in runs(debian) if row["status"] != "ok"]


def test_the_new_address_was_measured(debian: DebianMachine):
    """The event before last gave another one."""
    assert "203.0.113.77" in {row["external_ip"] for row in runs(debian)}


def test_tests_go_on_after_a_reboot_with_a_late_network(debian: DebianMachine):
    """The page answers before there is a network; the first scheduled test waits for it, and is good."""
    debian.shell("printf '\\n[schedule]\\nevery_s = 60\\njitter_s = 0\\n' >>/etc/speedmon/config.toml")
    debian.shell("sed -i 's/^auto usb3/#&/' /etc/network/interfaces")
    before = [row["id"] for row in runs(debian)]
    debian.reboot("usb3", wait=False)
    wait_for(lambda: page_answers(debian), lambda: journal(debian))
    wait_for(lambda: "speedmon-collect@" in debian.shell("systemctl list-jobs --no-legend"), lambda: journal(debian))
    assert debian.shell("ip -4 route show default") == ""
    debian.shell("sed -i 's/^#auto/auto/' /etc/network/interfaces; ifup usb3")
    wait_for(lambda: len(runs(debian)) > len(before), lambda: journal(debian))
    new = [row for row in runs(debian) if row["id"] not in before]
    assert {(row["status"], row["trigger"], row["path"]) for row in new} == {("ok", "schedule", "ip4only")}, new
    assert "speedmon-collect@" in journal(debian)
    assert json.loads(debian.shell("speedmon status --json"))["repairs"][0]["kind"] == "boot"


def test_the_namespace_is_made_at_boot(debian: DebianMachine):
    """With a network, nothing is left to do when the system has started."""
    debian.shell("speedmon config set schedule.every_s 86400")
    debian.reboot("usb3")
    status = json.loads(debian.shell("speedmon status --json"))
    assert (status["exit_code"], status["repairs"][0]["kind"]) == (0, "boot")
    wait_for(lambda: page_answers(debian), lambda: journal(debian))


def test_a_test_without_a_namespace_is_a_row(debian: DebianMachine):
    """Where the namespace cannot be had, the reason is stored, by each scheduler's way; nothing is measured."""
    folder = "/run/systemd/system/speedmon-netns.service.d"
    debian.shell(f"mkdir -p {folder}; printf '[Unit]\\nConditionPathExists=/nonexistent\\n' >{folder}/off.conf")
    debian.shell("systemctl daemon-reload; speedmon teardown-netns --quiet --keep-launcher")
    debian.shell("systemctl start speedmon-collect.service", check=False)
    wait_for(lambda: runs(debian)[0]["status"] == "failed", lambda: journal(debian))
    assert runs(debian)[0]["failure"]["kind"] == "namespace"
    assert json.loads(debian.shell("speedmon status --json", check=False))["exit_code"] == 5
    debian.shell(f"rm -r {folder}; systemctl daemon-reload; systemctl reset-failed")
    assert measure(debian)["status"] == "ok"


KEEP = "cd /var/lib/speedmon; rm -f speedmon.db-*"

OLDER = """
import sqlalchemy as sa
from monitor.store import connection
engine = sa.create_engine("sqlite:////var/lib/speedmon/older.db")
scripts = sorted(script.revision for script in connection.migration_scripts())
with engine.begin() as opened:
    connection.run_migrations(opened, scripts[-2])
"""

NEWER = """
import sqlite3
opened = sqlite3.connect("/var/lib/speedmon/speedmon.db")
opened.execute("UPDATE alembic_version SET version_num = '9999'")
opened.execute("INSERT INTO schema_history VALUES ('9999', '9.9', 1790000000)")
opened.commit()
"""


def python(debian: DebianMachine, code: str) -> None:
    """Run code with the Python of the installed program."""
    debian.shell(f"cd /; /opt/pipx/venvs/*/bin/python -P -c {shlex.quote(code)}")


def test_an_upgrade_carries_all_over(debian: DebianMachine):
    """The README's commands after an upgrade: the database has the current schema, and the service goes on."""
    debian.shell("systemctl stop speedmon-serve.service speedmon-collect.socket")
    python(debian, OLDER)
    debian.shell(f"{KEEP}; mv speedmon.db newer; mv older.db speedmon.db; chown speedmon: speedmon.db")
    pipx, install = readme_commands("Upgrade")[:2]
    debian.shell(f"cd speedmon && {pipx}", user="ann")
    said = debian.shell(f"{install} --no-test", user="ann")
    assert "db upgrade" in said
    assert debian.shell("systemctl is-active speedmon-serve.service") == "active\n"
    assert "660 speedmon speedmon" in debian.shell("stat --format '%a %U %G' /var/lib/speedmon/speedmon.db")
    assert runs(debian, "ann") == []
    debian.shell(f"systemctl stop speedmon-serve; {KEEP}; mv newer speedmon.db; systemctl start speedmon-serve")
    assert runs(debian)


def test_a_downgrade_is_refused(debian: DebianMachine):
    """In one line that names the version that wrote the file; nothing is changed, and the service goes on."""
    debian.shell(f"systemctl stop speedmon-serve; {KEEP}; cp -a speedmon.db current")
    python(debian, NEWER)
    for command in ("speedmon install", "speedmon history"):
        said = debian.shell(f"{command} 2>&1 >/dev/null", check=False).strip()
        assert "was written by speedmon 9.9 with schema 9999" in said
        assert len(said.splitlines()) == 1, said
    debian.shell(f"{KEEP}; mv current speedmon.db; speedmon install --no-test")
    assert runs(debian)


def test_one_scheduler_runs(debian: DebianMachine):
    """A timer instead of the daemon; then cron, whose lines work as they stand."""
    debian.shell("speedmon install --scheduler timer --no-test")
    states = debian.shell("systemctl is-active speedmon-collect.timer speedmon-serve.service", check=False).split()
    assert states == ["active", "inactive"]
    examine_units(debian)
    debian.shell("speedmon install --scheduler cron --no-test")
    assert debian.shell("systemctl list-units --all --no-legend 'speedmon*'") == ""
    newest = run_cron_line(debian)
    assert (newest["status"], newest["trigger"]) == ("ok", "schedule")


def run_cron_line(debian: DebianMachine) -> dict[str, Any]:
    """Run the line for a test as cron does, without its pause; return the stored run."""
    lines = debian.shell("cat /etc/cron.d/speedmon").splitlines()
    test = next(line for line in lines if " collect " in line)
    command = test.split(None, 6)[6].replace(r"\%", "%")
    if command.startswith("sleep"):
        command = command.partition("; ")[2]
    settings = [line for line in lines if re.match(r"[A-Z_]+=", line)]
    before = len(runs(debian))
    assert debian.shell(f"env -i {' '.join(settings)} /bin/sh -c {shlex.quote(command)}") == ""
    rows = runs(debian)
    assert len(rows) == before + 1
    return rows[0]


def test_uninstall_ends_what_runs(debian: DebianMachine):
    """A test of the service's is ended and recorded, one by hand is waited for; nothing of theirs is left."""
    debian.shell("speedmon install --scheduler none --no-test; systemctl start --no-block speedmon-collect.service")
    wait_for(lambda: has_engine(debian), lambda: journal(debian))
    uid = debian.shell("id --user speedmon").strip()
    debian.shell("speedmon uninstall")
    assert debian.shell(f"find /proc -maxdepth 1 -uid {uid}", check=False) == ""
    assert runs(debian)[0]["status"] == "interrupted"
    debian.shell("speedmon install --scheduler none --no-test; speedmon collect -q >/dev/null 2>&1 &")
    wait_for(lambda: has_engine(debian), lambda: journal(debian))
    assert "flock" in debian.shell("speedmon uninstall")
    assert runs(debian)[0]["status"] == "ok"
    kept = differences(debian)
    assert kept
    assert all(re.match(r"\+(\w{32}  )?/(etc|var/lib)/speedmon([ /]|$)", line) for line in kept), kept


def has_engine(debian: DebianMachine) -> bool:
    """Return whether an engine runs."""
    return debian.within("sh", "-c", "grep -q 'speedtes[t]' /proc/[0-9]*/cmdline").returncode == 0


def test_a_killed_installation_goes_on(debian: DebianMachine):
    """Whenever it is killed, the next call does what is left; so does the next removal."""
    debian.shell("speedmon uninstall --purge")
    for seconds in (0.7, 1.4, 2.5):
        debian.shell(f"timeout --signal KILL {seconds} speedmon install --user ann --no-test", check=False)
    debian.shell("speedmon install --user ann --no-test")
    assert json.loads(debian.shell("speedmon install --dry-run --json"))["steps"] == []
    for seconds in (0.8, 1.6):
        debian.shell(f"timeout --signal KILL {seconds} speedmon uninstall --purge", check=False)
    remove_everything(debian)


def remove_everything(debian: DebianMachine) -> None:
    """Purge, and find the machine as it was before the installation, file by file, with accounts, rules and links."""
    debian.shell("speedmon uninstall --purge")
    assert differences(debian) == []
    assert "nothing to remove" in debian.shell("speedmon uninstall --purge")


def test_missing_pieces_are_no_obstacle(debian: DebianMachine):
    """A removal does not need what somebody has removed by hand."""
    debian.shell("speedmon install --user ann --no-test")
    debian.shell("systemctl stop speedmon-serve; rm /etc/systemd/system/speedmon-[cs]*; userdel speedmon")
    debian.shell("rm -r /var/lib/speedmon /run/speedmon; ip netns delete ip4only; nft delete table inet speedmon")
    debian.shell("echo '[' >/etc/speedmon/config.toml")
    remove_everything(debian)


# A user and a group of that name with other rights, a namespace that is there already, and a program in a folder with
# an odd name, that only root may read.
ODD = """
set -e
groupadd speedmon; useradd --create-home --gid users speedmon
cp -a /opt/pipx/venvs/speedmon-ip4only '/opt/my 100% tool'
'/opt/my 100% tool/bin/python' -m pip install -q --no-deps --force-reinstall /var/cache/speedmon-wheel/*.whl
"""


def test_an_odd_machine(debian: DebianMachine):
    """What was there before stays as it was; a path with spaces and a percent sign works in units and in cron."""
    before = debian.before
    debian.shell(ODD)
    debian.before = debian.shell(SNAPSHOT).splitlines()
    speedmon = "umask 077; '/opt/my 100% tool/bin/speedmon'"
    debian.shell(f"{speedmon} setup-netns --quiet --user ann; {speedmon} install --scheduler timer --no-test")
    assert measure(debian)["status"] == "ok"
    debian.shell(f"{speedmon} install --scheduler cron --no-test")
    assert run_cron_line(debian)["status"] == "ok"
    remove_everything(debian)
    debian.shell("userdel --remove speedmon 2>/dev/null; groupdel speedmon; rm -r /opt/my*", check=False)
    debian.before = before


def test_a_read_only_usr_local(debian: DebianMachine):
    """There is no program ip4only, no manual and no completion there, which is said; all else works."""
    debian.shell("mount --bind /usr/local /usr/local; mount -o remount,bind,ro /usr/local")
    said = debian.shell("speedmon install --user ann --no-test")
    assert "/usr/local cannot be written" in said
    assert json.loads(debian.shell("speedmon install --dry-run --json"))["steps"] == []
    assert debian.shell("systemctl is-active speedmon-serve.service") == "active\n"
    debian.shell("speedmon uninstall --purge; umount /usr/local")
    assert differences(debian) == []


def test_the_program_goes_as_well(debian: DebianMachine):
    """The README's last command removes the program itself."""
    debian.shell(readme_commands("Upgrade")[-1], user="ann")
    assert "not found" in debian.shell("speedmon", check=False)


def differences(debian: DebianMachine) -> list[str]:
    """Return the lines in which the system differs from what it was before."""
    after = debian.shell(SNAPSHOT).splitlines()
    ours = re.compile(
        r"/opt/pipx/|/tmp/systemd-private-|eth0|wan7|usb3|home/ann|/etc/network/interfaces|boot-id|/etc/resolv.conf|\.lease|#proc-|/proc/sys/net/ipv4/ip_f"
    )
    changed = difflib.unified_diff(debian.before, after, lineterm="", n=0)
    return [line for line in changed if line[:1] in "+-" and line[:3] not in {"+++", "---"} and not ours.search(line)]
