"""Through sudo: the command inside is the caller's, and a run by sudo and a plain one keep out of each other's way."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from home_network import SPEEDMON, HomeNetwork
from places import SUPPORT
from recordings import read_recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

pytestmark = pytest.mark.root

STAND_IN = SUPPORT / "ookla_stand_in.py"

STREAM = read_recording("ookla/v1.2_jsonl_stream_synthetic_full_shape.jsonl").decode()

PLAIN = {
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
    "HOME": "/run/ann",
    "USER": "ann",
    "LOGNAME": "ann",
    "LANG": "C.UTF-8",
}

# An engine that anybody may run, and ann, who may do all by sudo.
BUILD = """
set -e
usermod --home /run/ann ann; install -d -o ann -g ann /run/ann; install -d -m 777 /run/engine
echo 'ann ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ann; echo "127.0.0.1 localhost $(hostname)" >/etc/hosts
mkdir /etc/speedmon; echo 'ann:*:19000:0:99999:7:::' >>/etc/shadow  # sudo asks whether the account is good
printf '[collect]\\nengine = "ookla"\\n[ookla]\\nbinary = "/run/engine/speedtest"\\naccept_license = true\\n' \
    >/etc/speedmon/config.toml
"""


@pytest.fixture(scope="module")
def home() -> Iterator[HomeNetwork]:
    """Yield a home host with a namespace, its launcher and the user ann, who is a member of three groups."""
    with HomeNetwork() as host:
        host.add_user("ann", 4001, "users", "games")
        host.shell(BUILD)
        shutil.copy(STAND_IN, host.path("/run/engine/speedtest"))
        host.path("/run/engine/script.json").write_text(json.dumps({"stdout": STREAM}))
        host.speedmon("setup-netns", "-q", "--user", "ann")
        yield host


def plain(home: HomeNetwork, *argv: str) -> CompletedProcess[str]:
    """Run a command as ann."""
    return home.run(argv, user="ann", env=PLAIN, check=False)


def by_sudo(home: HomeNetwork, *arguments: str) -> CompletedProcess[str]:
    """Run speedmon by sudo as ann does."""
    return plain(home, "sudo", SPEEDMON, *arguments)


def last_start(home: HomeNetwork) -> dict[str, Any]:
    """Return how the engine was started last."""
    start: dict[str, Any] = json.loads(home.path("/run/engine/starts.jsonl").read_text().splitlines()[-1])
    return start


@pytest.mark.parametrize(
    "question",
    [
        ["id"],
        ["sh", "-c", "echo $HOME $USER $LOGNAME; umask"],
        ["grep", "Cap\\|NoNew\\|^Uid\\|^Gid\\|^Groups", "/proc/self/status"],
        ["cat", "/etc/resolv.conf"],
        ["readlink", "/proc/self/ns/net"],
        ["ls", "/proc/self/fd"],
    ],
)
def test_the_command_is_as_in_a_plain_run(home: HomeNetwork, question: list[str]):
    """User, groups, home, privileges, files and network are those of the caller by the launcher."""
    by_launcher = plain(home, SPEEDMON, "exec", "--", *question)
    assert by_launcher.stdout
    assert by_sudo(home, "exec", "--", *question).stdout == by_launcher.stdout


def test_nothing_of_root_is_left(home: HomeNetwork):
    """The command may not do what its user may not do, nor become root again."""
    assert by_sudo(home, "exec", "--", "cat", "/etc/shadow").returncode == 1
    assert by_sudo(home, "exec", "--", "sudo", "-n", "true").returncode == 1
    assert by_sudo(home, "exec", "--", "ip", "link", "set", "lo", "down").returncode == 2


@pytest.mark.parametrize("environ", [{}, {"SUDO_UID": "0", "SUDO_GID": "0", "SUDO_USER": "root"}])
def test_root_itself_stays_root(home: HomeNetwork, environ: dict[str, str]):
    """Without a caller, or with root as the caller, the command is root's."""
    done = home.run([SPEEDMON, "exec", "--", "id", "-u"], env={**PLAIN, **environ})
    assert done.stdout == "0\n"


def test_a_user_without_a_name_keeps_its_number(home: HomeNetwork):
    """A number that no name service knows has its one group and no home."""
    environ = {**PLAIN, "SUDO_UID": "4999", "SUDO_GID": "4998"}
    done = home.run([SPEEDMON, "exec", "--", "sh", "-c", "id -u; id -G; echo $HOME"], env=environ)
    assert done.stdout == "4999\n4998\n/\n"


def test_numbers_that_are_none_are_refused(home: HomeNetwork):
    """Nothing is run as a guess."""
    done = home.run([SPEEDMON, "exec", "--", "id"], env={**PLAIN, "SUDO_UID": "ann"}, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("speedmon: SUDO_UID and SUDO_GID must be numbers")


def test_the_engine_runs_as_the_caller(home: HomeNetwork):
    """The test goes to root's database; its engine is the caller's, with a home that it can write."""
    done = by_sudo(home, "collect", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "ok"), done.stderr
    assert last_start(home)["environ"]["HOME"] == "/var/lib/speedmon/home-4001"
    owners = "/run/engine/starts.jsonl /var/lib/speedmon/home-4001 /var/lib/speedmon/speedmon.db"
    assert home.shell(f"stat -c %U {owners}").stdout.split() == ["ann", "ann", "root"]
    assert len(json.loads(by_sudo(home, "history", "--json").stdout)) == 1


def test_a_plain_run_goes_on_where_sudo_began(home: HomeNetwork):
    """A database in the user's folder belongs to that user, whoever made it; both write it, with all beside it."""
    url = "SPEEDMON_DATABASE_URL=sqlite:////run/ann/line/speedmon.db"
    for argv in (["sudo", url], ["env", url], ["sudo", url]):
        done = plain(home, *argv, SPEEDMON, "collect", "-q")
        assert done.returncode == 0, done.stderr
    history = plain(home, "env", url, SPEEDMON, "history", "--json")
    assert [run["status"] for run in json.loads(history.stdout)] == ["ok"] * 3
    assert home.shell("find /run/ann/line -not -user ann").stdout == ""
