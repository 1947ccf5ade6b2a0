"""As whom engines run: whatever the path and the purpose, never as root for somebody else, and with no privilege."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from home_network import SPEEDMON, HomeNetwork
from waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

pytestmark = pytest.mark.root

ANN, SERVICE = 4001, 4100
LOG = "/run/engine/calls"

# A stand-in for any engine: it notes each call, and answers as Ookla's CLI and librespeed's do.
ENGINE = f"""#!/bin/sh
{{
    printf '%s|' "$*"
    grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs)' /proc/self/status | sed 's/:\\t/=/' | tr '\\t\\n' ' |'
    [ -w "$HOME" ] && echo "home=$HOME" || echo home=
}} >>{LOG}
case "$*" in
*--version*) printf 'Speedtest by Ookla 1.2.0.84 (stand-in)\\nlibrespeed-cli v1.0.11 (stand-in)\\niperf 3.12\\n' ;;
*--servers*) echo '{{"type":"serverSelection","servers":[{{"id":1,"name":"one","location":"x","country":"y"}}]}}' ;;
*) echo '{{"type":"result","download":{{"bandwidth":1000000}},"upload":{{"bandwidth":1000}},"ping":{{"latency":3}}}}' ;;
esac
"""

# One that hangs, with a child that does too; it notes both.
SLOW_ENGINE = """#!/bin/sh
case "$*" in *--version*) echo 'Speedtest by Ookla 1.2.0.84 (stand-in)'; exit ;; esac
setsid sleep 1000 &
echo $$ $! >/run/engine/running.new; mv /run/engine/running.new /run/engine/running
sleep 1000
"""

SETTINGS = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "SPEEDMON_OOKLA__BINARY": "/run/engine/speedtest",
    "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
    "SPEEDMON_LIBRESPEED__BINARY": "/run/engine/speedtest",
    "SPEEDMON_IPERF3__BINARY": "/run/engine/speedtest",
    "SPEEDMON_IPERF3__HOST": "203.0.113.1",
    "SPEEDMON_COLLECT__PROBE_FAILURES": "false",
    "SPEEDMON_COLLECT__LOCK_FILE": "/run/engine/lock",
}
BY_SUDO = {"SUDO_UID": str(ANN), "SUDO_GID": str(ANN), "SUDO_USER": "ann"}


@pytest.fixture(scope="module")
def home() -> Iterator[HomeNetwork]:
    """Yield a home host with a namespace, a user ann, a service's user, and an engine that anybody may run."""
    with HomeNetwork() as host:
        host.add_user("ann", ANN, "games")
        host.add_user("speedmon", SERVICE)
        host.shell("install -d -m 777 /run/engine; install -d -m 755 /run/state; install -d -o speedmon /run/service")
        host.path("/run/engine/speedtest").write_text(ENGINE)
        host.path("/run/engine/speedtest").chmod(0o755)
        host.path("/run/engine/slow").write_text(SLOW_ENGINE)
        host.path("/run/engine/slow").chmod(0o755)
        host.shell("install -d -o ann /run/anns")
        host.speedmon("setup-netns", "-q", "--user", "ann")
        yield host


def speedmon(home: HomeNetwork, *arguments: str, **environ: str) -> CompletedProcess[str]:
    """Run the command line as root with the settings of these tests; it may fail."""
    state = environ.setdefault("STATE_DIRECTORY", "/run/state")
    environ.setdefault("SPEEDMON_DATABASE_URL", f"sqlite:///{state}/speedmon.db")
    home.shell(f"rm -f {LOG}; touch {LOG}; chmod 666 {LOG}")
    return home.run([SPEEDMON, *arguments], env={**SETTINGS, **environ}, check=False)


def calls(home: HomeNetwork) -> list[dict[str, str]]:
    """Return each call of the engine: `args`, ids, groups, capabilities, and the home that it can write."""
    lines = [line.split("|") for line in home.path(LOG).read_text().splitlines()]
    return [{"args": first, **dict(part.split("=", 1) for part in rest if part)} for first, *rest in lines]


def assert_confined(call: dict[str, str], uid: int) -> None:
    """Check that a call was made by that user alone, with nothing of root's."""
    assert call["Uid"].split() == [str(uid)] * 4, call
    assert {call[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}, call
    assert call["NoNewPrivs"].strip() == "1"
    assert uid == 0 or "0" not in (*call["Gid"].split(), *call["Groups"].split())


# An engine of another package, as a distribution: it asks for its version, and runs the same stand-in.
PLUGIN = """
from monitor.engines.base import Engine, EngineLocation, ParsedOutput
from monitor.model import Measurement
def locate(settings, environ, ask):
    ask(["/run/engine/speedtest", "--version"])
    return EngineLocation(("/run/engine/speedtest",), "7")
ENGINE = Engine(name="tin-can", locate=locate, signs=(),
    command=lambda located, settings, server_id: [*located.command, "test"],
    parse=lambda stdout, stderr: ParsedOutput(Measurement(download_bps=1, upload_bps=1)))
"""


COLLECT = ["collect", "--no-retry", "--anyway", "--path"]


@pytest.mark.parametrize(
    ("command", "engine"),
    [
        ([*COLLECT, "host"], "ookla"),
        ([*COLLECT, "ip4only"], "auto"),
        ([*COLLECT, "host"], "librespeed"),
        ([*COLLECT, "ip4only"], "iperf3"),
        (["servers", "--path", "host"], "ookla"),
        (["servers", "--path", "ip4only"], "ookla"),
        (["check"], "ookla"),
    ],
)
def test_by_sudo_every_engine_is_the_callers(home: HomeNetwork, command: list[str], engine: str):
    """The version, the list of servers, the check and the test itself run as the user who called sudo."""
    speedmon(home, *command, **BY_SUDO, SPEEDMON_COLLECT__ENGINE=engine)
    made = calls(home)
    assert made
    for call in made:
        assert_confined(call, ANN)
        assert str(home.run(["getent", "group", "games"]).stdout.split(":")[2]) in call["Groups"].split()
    if command[0] == "collect":
        assert len(made) > 1
        assert {call["home"] for call in made} == {f"/run/state/home-{ANN}"}


@pytest.mark.parametrize("environ", [BY_SUDO, {"STATE_DIRECTORY": "/run/service"}], ids=["sudo", "service"])
@pytest.mark.parametrize("path", ["host", "ip4only"])
def test_an_engine_of_another_package_is_confined_too(home: HomeNetwork, environ: dict[str, str], path: str):
    """The question for its version and the test run as the caller, or as the service's user."""
    info = "/run/plugin/tin-1.0.dist-info"
    home.shell(f"mkdir -p {info}")
    home.path("/run/plugin/tin.py").write_text(PLUGIN)
    home.path(f"{info}/METADATA").write_text("Metadata-Version: 2.1\nName: tin\nVersion: 1.0\n")
    home.path(f"{info}/entry_points.txt").write_text("[speedmon.engines]\ntin-can = tin:ENGINE\n")
    speedmon(home, *COLLECT, path, "--engine", "tin-can", **environ, PYTHONPATH="/run/plugin")
    made = calls(home)
    assert [call["args"] for call in made] == ["--version", "test"]
    for call in made:
        assert_confined(call, ANN if environ is BY_SUDO else SERVICE)


@pytest.mark.parametrize("environ", [BY_SUDO, {"STATE_DIRECTORY": "/run/service"}], ids=["sudo", "service"])
@pytest.mark.parametrize("path", ["host", "ip4only"])
def test_the_bundled_speedtest_cli_is_confined_too(home: HomeNetwork, environ: dict[str, str], path: str):
    """It waits for a provider that is silent, while its status is read."""
    home.shell("ip netns exec isp nft 'add table ip mute; add chain ip mute in { type filter hook input priority 0; };"
               " add rule ip mute in tcp dport 80 drop'")  # fmt: skip
    home.shell("grep -q c.speedtest.net /etc/hosts || echo 203.0.113.1 www.speedtest.net c.speedtest.net >>/etc/hosts")
    state = environ.get("STATE_DIRECTORY", "/run/state")
    more = {"STATE_DIRECTORY": state, "SPEEDMON_DATABASE_URL": f"sqlite:///{state}/speedmon.db"}
    argv = [SPEEDMON, *COLLECT, path, "--engine", "speedtest-cli"]
    find = ["pgrep", "-f", "^[^ ]*python[^ ]* -I -W ignore -m speedtest"]
    with home.popen(argv, env=SETTINGS | more | environ) as collect:
        until(lambda: home.run(find, check=False).returncode == 0 or collect.poll() is not None)
        pid = home.run(find).stdout.split()[0]
        lines = home.run(["cat", f"/proc/{pid}/status"]).stdout.splitlines()
        home.run(["pkill", "-KILL", "-f", "[s]peedmon collect"])
    assert_confined(
        dict(line.split(":\t", 1) for line in lines if ":\t" in line), ANN if environ is BY_SUDO else SERVICE
    )


@pytest.mark.parametrize("command", [[*COLLECT, "host"], [*COLLECT, "ip4only"], ["check"]])
def test_root_runs_engines_as_the_services_user(home: HomeNetwork, command: list[str]):
    """Where the state directory is the service's, root without sudo turns into the owner, whose home the engine has."""
    speedmon(home, *command, STATE_DIRECTORY="/run/service", SPEEDMON_COLLECT__ENGINE="ookla")
    made = calls(home)
    assert made
    for call in made:
        assert_confined(call, SERVICE)
    if command[0] == "collect":
        assert {call["home"] for call in made} == {"/run/service/home"}


@pytest.mark.parametrize("path", ["host", "ip4only"])
def test_roots_own_engine_has_no_capability(home: HomeNetwork, path: str):
    """Root in a state directory of root's stays root, which may do no more than any user with root's files."""
    speedmon(home, *COLLECT, path, STATE_DIRECTORY="/run/roots", SPEEDMON_COLLECT__ENGINE="ookla")
    made = calls(home)
    assert made
    for call in made:
        assert_confined(call, 0)


@pytest.mark.parametrize("plant", ["ln -s /etc {}", "install -d {}"])
def test_a_planted_home_is_not_given_away(home: HomeNetwork, plant: str):
    """What lies in the place of the caller's home belongs to whom it belonged before, and the engine has no home."""
    place = f"/run/service/home-{ANN}"
    home.shell(f"rm -rf {place}; {plant.format(place)}; chown -h speedmon {place}")
    before = home.shell(f"stat -c '%U %a' /etc {place}").stdout
    speedmon(home, *COLLECT, "host", **BY_SUDO, STATE_DIRECTORY="/run/service", SPEEDMON_COLLECT__ENGINE="ookla")
    assert home.shell(f"stat -c '%U %a' /etc {place}").stdout == before
    assert {call["home"] for call in calls(home)} == {""}
    home.shell(f"rm -rf {place}")


def test_an_engine_that_the_caller_cannot_reach_is_not_run_as_root(home: HomeNetwork):
    """It is a failure of the configuration, with one line that names it."""
    home.shell("install -d -m 700 /run/secret; cp /run/engine/speedtest /run/secret/")
    done = speedmon(
        home,
        *COLLECT,
        "host",
        "--json",
        **BY_SUDO,
        SPEEDMON_OOKLA__BINARY="/run/secret/speedtest",
        SPEEDMON_COLLECT__ENGINE="ookla",
    )
    failure = json.loads(done.stdout)["failure"]
    assert (failure["kind"], failure["scope"]) == ("not_installed", "config")
    assert "/run/secret/speedtest cannot be executed: Permission denied" in failure["message"]
    assert calls(home) == []


@pytest.mark.parametrize("path", ["host", "ip4only"])
@pytest.mark.parametrize("user", ["ann", None])
def test_a_killed_collect_takes_its_engine_along(home: HomeNetwork, user: str | None, path: str):
    """Through the launcher, by sudo and over the host: after kill -9 nothing of it runs, and the next test may."""
    home.shell("rm -f /run/engine/running")
    environ = {**SETTINGS, **({} if user else BY_SUDO), "SPEEDMON_COLLECT__ENGINE": "ookla"}
    environ |= {"STATE_DIRECTORY": "/run/anns" if user else "/run/state", "SPEEDMON_OOKLA__BINARY": "/run/engine/slow"}
    environ["SPEEDMON_DATABASE_URL"] = f"sqlite:///{environ['STATE_DIRECTORY']}/speedmon.db"
    with home.popen([SPEEDMON, *COLLECT, path], user=user, env=environ):
        until(home.path("/run/engine/running").exists)
        home.run(["pkill", "-KILL", "-f", "[s]peedmon collect"])
    for pid in home.path("/run/engine/running").read_text().split():
        state = ["sed", "-n", "s/^State:\\t\\(.\\).*/\\1/p", f"/proc/{pid}/status"]
        until(lambda state=state: home.run(state, check=False).stdout in {"", "Z\n"})  # nobody reaps orphans in there
    environ["SPEEDMON_OOKLA__BINARY"] = "/run/engine/speedtest"
    until(lambda: home.run([SPEEDMON, *COLLECT, path], user=user, env=environ, check=False).returncode == 0)


def test_tools_of_a_users_folder_are_not_run_by_root(home: HomeNetwork):
    """nft, iptables, ip and the like come from the system's folders, whatever comes first on PATH."""
    home.shell(
        "install -d -o ann /run/tools; for tool in nft iptables iptables-save iptables-nft-save ip6tables-nft-save"
        " iptables-legacy-save firewall-cmd groupadd usermod musl-gcc gcc cc ip; do"
        " printf '#!/bin/sh\\necho $0 >>/run/tools/was-run\\nexit 1\\n' >/run/tools/$tool; done; chmod 755 /run/tools/*"
    )
    done = speedmon(home, "setup-netns", "-q", "--name", "other", PATH=f"/run/tools:{SETTINGS['PATH']}")
    assert done.returncode == 0 or "subnet" in done.stderr, done.stderr
    speedmon(home, "check", PATH=f"/run/tools:{SETTINGS['PATH']}")
    assert not home.path("/run/tools/was-run").exists()
