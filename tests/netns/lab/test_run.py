"""The private machine of the lab: what is private in it, that it leaves nothing behind, and who may make one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from netns.errors import LabError
from netns.lab import run, topology

ROOTLESS = os.geteuid() != 0
IN_LAB = [sys.executable, "-P", "-m", "netns.lab.run"]


def in_world(*program: str) -> str:
    """Return what a program prints as process 1 of a new private machine, without the files of the lab."""
    command = run.private_machine_command(program, rootless=ROOTLESS)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def in_lab(script: str) -> str:
    """Return what a shell script prints in the home host of a new lab."""
    return in_world(*IN_LAB, "sh", "-ec", script)


def test_a_private_machine_has_its_own_processes_and_links():
    """Its first process is number 1, and its only link a loopback."""
    assert in_world("sh", "-c", "echo $$; ip -o link").split(": ")[:2] == ["1\n1", "lo"]


def test_a_private_machine_ends_with_its_caller():
    """Killing the caller outright ends every process in it; the pipe that one of them holds closes."""
    caller = [
        sys.executable,
        "-P",
        "-c",
        "import sys; from netns.lab import run; run.run_in_private_machine(sys.argv[1:], {'PATH': '/bin'})",
    ]
    with subprocess.Popen([*caller, "sh", "-c", "echo in; sleep 60 & wait"], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"in\n"
        running.kill()
        assert running.stdout.read() == b""


def test_the_exit_code_comes_back():
    """What the program ended with is what the caller gets."""
    assert run.run_in_private_machine(["sh", "-c", "exit 7"], os.environ) == 7


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"kernel.unprivileged_userns_clone": "0"}, "sysctl -w kernel.unprivileged_userns_clone=1"),
        ({"user.max_user_namespaces": "0"}, "sysctl -w user.max_user_namespaces=15000"),
        (
            {"user.max_user_namespaces": "9", "kernel.apparmor_restrict_unprivileged_userns": "1"},
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ({"user.max_user_namespaces": "9"}, "unshare: no"),
    ],
)
def test_a_refusal_names_the_setting_and_the_fix(settings: dict[str, str], fix: str):
    """One line says which setting forbids it and what opens it, or quotes the kernel, and says that root may do it."""
    line = run.explain_refusal("unshare: no", settings, rootless=True)
    assert fix in line
    assert "sudo speedmon demo" in line


def test_root_without_the_right_gets_a_hint_at_the_container():
    """Root lacks nothing but a capability, so no setting is named."""
    assert "CAP_SYS_ADMIN" in run.explain_refusal("unshare: no", {"user.max_user_namespaces": "0"}, rootless=False)


def test_a_user_who_may_not_create_namespaces_gets_a_message():
    """The real refusal: a plain user in a user namespace whose limit is 0 gets the line and exit code 6."""
    limit = 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --ambient-caps=-all --inh-caps=-all "$@"'
    user = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps", "sh", "-c", limit, "sh"]
    done = subprocess.run(
        [*user, sys.executable, "-P", "-m", "monitor", "demo", "--output", "/tmp/never.png"],  # noqa: S108  never written
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert "sudo sysctl -w user.max_user_namespaces=15000" in done.stderr


def test_the_lab_refuses_to_open_on_the_machine_itself():
    """Outside a private machine it would change the machine, so it changes nothing and says what to use."""
    with pytest.raises(LabError, match="speedmon demo"), run.open_lab():
        pass


def test_etc_holds_the_labs_files_and_can_be_written():
    """Programs read the lab's own resolver configuration, and set-up can put its folder there."""
    printed = in_lab("cat /etc/resolv.conf; cat /etc/gai.conf; mkdir /etc/netns; ls /etc/passwd")
    assert printed == f"nameserver {topology.NAME_SERVER}\n/etc/passwd\n"


def test_what_is_written_inside_never_shows_outside():
    """The folders that set-up writes to are the lab's own."""
    in_lab("for folder in /run /etc /usr/local/bin /var/lib; do touch $folder/speedmon-test; done")
    folders = ("/run", *run.REPLACED_DIRECTORIES)
    assert not [folder for folder in folders if os.path.exists(f"{folder}/speedmon-test")]  # noqa: PTH110  plain


def test_resolver_sockets_of_the_machine_are_out_of_reach():
    """A private /run hides them, so that no name is looked up past the lab."""
    assert set(in_lab("ls /run").split()) <= {"lock", "mount", "netns", "speedmon-lab"}


def test_sys_shows_the_links_of_the_lab():
    """What reads /sys/class/net sees the home host's links, not the machine's."""
    assert set(in_lab("ls /sys/class/net").split()) == {"lo", "wan0", "he-ipv6"}


def test_the_host_prefers_ipv6():
    """The trouble's first half: by the order of RFC 6724 a program is given the tunnel first."""
    assert in_lab("getent hosts www.speedtest.net").split()[0] == topology.SERVER_IPV6


def test_both_lines_reach_the_server():
    """Each family has its way to the test server and back."""
    code = "from urllib.request import urlopen as get; import sys; print(get(sys.argv[1]).read().decode())"
    urls = (
        f"http://{topology.SERVER_IPV4}/speedtest-config.php",
        f"http://[{topology.SERVER_IPV6}]:8080/speedtest-config.php",
    )
    printed = in_lab("\n".join(f"{sys.executable} -c '{code}' '{url}'" for url in urls))
    assert topology.FIBRE.isp in printed
    assert topology.TUNNEL.isp in printed


def test_a_cut_line_is_unreachable_at_once():
    """The ISP still answers, and says that there is no way on."""
    tried = (
        "import socket, sys\n"
        "from netns import apply; from netns.lab import topology\n"
        "apply.apply_steps([topology.cut_line_step()])\n"
        "print(socket.socket().connect_ex((topology.SERVER_IPV4, 80)))\n"
    )
    assert int(in_world(*IN_LAB, sys.executable, "-P", "-c", tried)) == 101  # ENETUNREACH
