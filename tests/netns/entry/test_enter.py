"""How a command enters the namespace, and the light check before each test."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from inside_namespace import LAUNCHER, MEMBER, NAME, STRANGER, make_namespace, place_launcher

from netns.entry.enter import Rights, parse_rights

if TYPE_CHECKING:
    from private_machine import PrivateMachine

HOW = """
import json, os, sys
from netns.entry import enter
from netns.errors import NetnsError
try:
    way = os.environ.get("WAY", "auto")
    print(json.dumps(enter.build_command("ip4only", ["echo", "hello"], environ={"USER": "ann"}, way=way)))
except NetnsError as error:
    print(json.dumps(f"{type(error).__name__} {error.exit_code}: {error}"))
"""

SOUND = "import json; from netns.entry import enter; print(json.dumps(enter.find_problems('ip4only')))"

BY_LAUNCHER = [LAUNCHER, "echo", "hello"]

BY_ROOT = [sys.executable, "-I", "-m", "netns.entry.inside", NAME, "--", "echo", "hello"]

PAIR = f"""
set -e
ip link add {NAME}-root type veth peer name {NAME}-ns netns {NAME}
echo 1 >/proc/sys/net/ipv4/conf/{NAME}-root/forwarding
test ! -e /proc/sys/net/ipv6 || echo 1 >/proc/sys/net/ipv6/conf/{NAME}-root/disable_ipv6
ip address add 192.168.200.1/24 dev {NAME}-root
test ! -e /proc/sys/net/ipv6 || ip netns exec {NAME} sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip link set {NAME}-root up
ip -n {NAME} link set {NAME}-ns up
ip link add uplink0 type veth peer name isp0
ip address add 203.0.113.2/24 dev uplink0
ip link set uplink0 up
ip route add default via 203.0.113.1
echo 1 >/proc/sys/net/ipv4/conf/uplink0/forwarding
"""


def how(machine: PrivateMachine, user: str | None = None, *before: str) -> list[str] | str:
    """Return what `enter.build_command` returns in the machine, or its error with class and exit code."""
    answer: list[str] | str = json.loads(machine.run([*before, sys.executable, "-c", HOW], user=user).stdout)
    return answer


@pytest.fixture
def inner(machine: PrivateMachine) -> PrivateMachine:
    """Return a machine with the namespace and no launcher."""
    make_namespace(machine)
    return machine


@pytest.fixture
def placed(inner: PrivateMachine, program: bytes) -> PrivateMachine:
    """Return a machine with the namespace, its launcher and its users."""
    place_launcher(inner, program)
    return inner


@pytest.fixture
def linked(inner: PrivateMachine) -> PrivateMachine:
    """Return a machine in which the namespace is linked to the host, and the host to the internet."""
    inner.run(["sh", "-c", PAIR])
    return inner


def test_a_missing_namespace_is_named_with_the_fix(machine: PrivateMachine):
    """Before set-up the error says so."""
    assert how(machine) == (
        "NamespaceMissingError 5: /run/netns/ip4only does not exist: the namespace is not set up;"
        " run: sudo speedmon setup-netns"
    )


def test_a_leftover_file_is_not_a_namespace(inner: PrivateMachine):
    """The plain file that is left without the mount is not taken for a namespace."""
    inner.run(["umount", f"/run/netns/{NAME}"])
    assert str(how(inner)).startswith("NamespaceMissingError 5: /run/netns/ip4only is not a network namespace")


def test_who_is_inside_needs_no_way_in(placed: PrivateMachine):
    """A caller in the namespace gets the command itself."""
    assert how(placed, None, "ip", "netns", "exec", NAME) == ["echo", "hello"]


def test_root_enters_without_a_launcher(inner: PrivateMachine):
    """Root needs no launcher, and the command line it gets works."""
    assert how(inner) == BY_ROOT
    assert inner.run(BY_ROOT).stdout == "hello\n"


def test_root_does_not_run_a_foreign_program(inner: PrivateMachine):
    """A program of somebody else in the launcher's place is passed by."""
    inner.run(["install", "-m", "755", "/bin/true", LAUNCHER])
    assert how(inner) == BY_ROOT


@pytest.mark.root
@pytest.mark.parametrize("user", [None, MEMBER])
def test_the_launcher_is_taken_where_it_works(placed: PrivateMachine, user: str | None):
    """Root and the members of the group enter by the launcher."""
    assert how(placed, user) == BY_LAUNCHER
    assert placed.run(BY_LAUNCHER, user=user).stdout == "hello\n"


OTHER_WAYS = "; other ways that work here: sudo speedmon (the command still runs as you), pasta"
TO_THE_GROUP = "run: sudo speedmon setup-netns --user ann"
NO_COMPILER = """for tool in musl-gcc cc gcc clang; do
    ! command -v $tool >/dev/null || mount --bind /etc/passwd $(readlink -f $(command -v $tool))
done"""


@pytest.mark.root
@pytest.mark.parametrize(
    ("user", "fault", "expected"),
    [
        (MEMBER, "rm {0}", "only root can enter without the launcher {0}; " + TO_THE_GROUP),
        (STRANGER, "true", "{0} may be run by its group only, and this login session is not in it; " + TO_THE_GROUP),
        (MEMBER, "cp {0} /run/copy; cat /run/copy >{0}", "{0} has lost its capability, as copies do; run: sudo"),
        (MEMBER, "mount -o remount,nosuid /usr/local/bin", "{0} is on a nosuid mount, where file capabilities have"),
        (
            MEMBER,
            "rm {0}; mount -o remount,nosuid /usr/local/bin",
            "there is no launcher {0}, and on that nosuid mount",
        ),
        (MEMBER, "cp /bin/true {0}", "{0} is not speedmon's launcher: move it away, then run: sudo speedmon"),
    ],
)
def test_a_launcher_that_cannot_work_is_not_taken(placed: PrivateMachine, user: str, fault: str, expected: str):
    """One line says what keeps the launcher from working and which other ways work; root enters anyway."""
    placed.run(["sh", "-c", fault.format(LAUNCHER)])
    message = str(how(placed, user))
    assert message.partition(": ")[0] in {"NotPermittedError 6", "ForeignStateError 5"}
    assert message.partition(": ")[2].startswith(expected.format(LAUNCHER))
    assert OTHER_WAYS in message
    assert "\n" not in message
    assert how(placed) == (BY_ROOT if user == MEMBER else BY_LAUNCHER)


@pytest.mark.root
def test_without_a_compiler_the_launcher_has_to_wait(placed: PrivateMachine):
    """Where none can be built, the error says what to install first."""
    placed.run(["sh", "-c", f"rm {LAUNCHER}; {NO_COMPILER}"])
    fix = "run: sudo apt install musl-tools && sudo speedmon setup-netns --user ann"
    assert f"there is no launcher {LAUNCHER}, and no C compiler to build it; {fix}; other ways" in how(placed, MEMBER)


@pytest.mark.root
def test_under_no_new_privs_sudo_is_not_offered(placed: PrivateMachine):
    """A hardened process gains nothing by the launcher, nor by sudo; what the service manager or pasta can do stays."""
    placed.run(["mkdir", "-p", "/run/systemd/system"])
    message = str(how(placed, MEMBER, "setpriv", "--no-new-privs"))
    assert message.startswith("NotPermittedError 6: /usr/local/bin/ip4only gains no capability here")
    assert "here: a systemd service with NetworkNamespacePath=/run/netns/ip4only, pasta" in message


@pytest.mark.parametrize(
    ("effective", "bounding", "no_new_privs", "rights"),
    [
        ("000001ffffffffff", "000001ffffffffff", 0, Rights(may_join=True, may_gain=True)),
        ("0000000000000000", "000001ffffffffff", 0, Rights(may_join=False, may_gain=True)),
        ("0000000000000000", "000001ffffffffff", 1, Rights(may_join=False, may_gain=False)),
        ("0000000000000000", "000001ffffdfffff", 0, Rights(may_join=False, may_gain=False)),
        ("0000000000200000", "0000000000200000", 1, Rights(may_join=True, may_gain=False)),
    ],
)
def test_rights_are_read_from_the_status(effective: str, bounding: str, no_new_privs: int, rights: Rights):
    """cap_sys_admin is bit 21; no_new_privs and the bounding set decide over file capabilities."""
    status = f"Name:\tcat\nCapEff:\t{effective}\nCapBnd:\t{bounding}\nNoNewPrivs:\t{no_new_privs}\n"
    assert parse_rights(status) == rights


def test_a_namespace_as_set_up_looks_sound(linked: PrivateMachine):
    """No problem is found on either side."""
    assert json.loads(linked.python(SOUND).stdout) == []
    assert json.loads(linked.run(["ip", "netns", "exec", NAME, sys.executable, "-c", SOUND]).stdout) == []


@pytest.mark.parametrize(
    ("fault", "problems"),
    [
        (f"ip link delete {NAME}-root", ["link ip4only-root is missing"]),
        (f"ip link set {NAME}-root down", ["link ip4only-root or its other end is down"]),
        (f"ip -n {NAME} link set {NAME}-ns down", ["link ip4only-root or its other end is down"]),
        (f"echo 0 >/proc/sys/net/ipv4/conf/{NAME}-root/forwarding", ["link ip4only-root does not forward IPv4"]),
        ("echo 0 >/proc/sys/net/ipv4/conf/uplink0/forwarding", ["uplink uplink0 does not forward IPv4"]),
        ("echo 0 >/proc/sys/net/ipv4/conf/uplink0/forwarding; ip route delete default", []),
        (f"echo 0 >/proc/sys/net/ipv6/conf/{NAME}-root/disable_ipv6", ["IPv6 is enabled on link ip4only-root"]),
        (f"ip netns delete {NAME}", ["/run/netns/ip4only does not exist: the namespace is not set up"]),
        (
            f"umount /run/netns/{NAME}",
            ["/run/netns/ip4only is not a network namespace (a crash or a sandboxed service leaves such files)"],
        ),
    ],
)
def test_what_was_lost_since_set_up_is_found(linked: PrivateMachine, fault: str, problems: list[str]):
    """Each loss is named; a host without a default route has a line that is down, and a sound namespace."""
    linked.run(["sh", "-c", fault])
    assert json.loads(linked.python(SOUND).stdout) == problems


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("mount --bind /etc/passwd /etc/resolv.conf", "the name servers are the host's (BindReadOnlyPaths="),
        (
            "echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip link add x0 type veth; ip a add fe80::9 dev x0 nodad",
            "there is an IPv6 address inside",
        ),
        (
            "mkdir /run/nscd; touch /run/nscd/socket",
            "nscd answers for the host (InaccessiblePaths=",
        ),
    ],
)
def test_who_entered_by_other_means_learns_what_is_missing(linked: PrivateMachine, fault: str, problem: str):
    """Inside, what the launcher would have done is looked at: name servers, IPv6, nscd."""
    script = f'{fault}; exec {sys.executable} -c "$1"'
    sound_output = json.loads(linked.run(["ip", "netns", "exec", NAME, "sh", "-c", script, "sh", SOUND]).stdout)
    assert [line.startswith(problem) for line in sound_output] == [True]


@pytest.mark.parametrize(
    ("way", "command"), [("root", BY_ROOT), ("launcher", "NotPermittedError 6"), ("auto", BY_ROOT)]
)
def test_a_way_that_is_named_is_the_only_one(inner: PrivateMachine, way: str, command: list[str] | str):
    """Root, without a launcher, uses its own way unless the launcher was requested."""
    message = how(inner, None, "env", f"WAY={way}")
    assert message == command or str(message).startswith(str(command))


@pytest.mark.root
def test_roots_way_is_for_root(placed: PrivateMachine):
    """A plain user who chooses it gets a message to use sudo, whether or not the launcher would work."""
    message = how(placed, MEMBER, "env", "WAY=root")
    assert message == 'NotPermittedError 6: the way "root" is for root only: run this with sudo'


def test_entering_imports_nothing_heavy(machine: PrivateMachine):
    """Before each test only small modules of the standard library are imported."""
    loaded = machine.python("import netns.entry.enter; import sys; print(*sys.modules)").stdout.split()
    assert not {"subprocess", "ctypes", "dataclasses", "hashlib", "socket", "pyroute2", "pathlib"} & set(loaded)
