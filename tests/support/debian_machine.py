"""A Debian system that is booted with systemd-nspawn, behind a router with DHCP and a shaped line to a test server.

All of it is in a private machine: network, mounts and processes of its own. The system lies on an overlay, so that its
tree never changes; `reboot` keeps what was written to it and starts everything else afresh, its network above all.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debian_tree import build_wheel, prepare_tree, prepare_wheels
from places import ROOT
from private_machine import PrivateMachine

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from debian_tree import Suite

DEADLINE_S = 300

ROUTER, NAME_SERVER = "203.0.113.1", "203.0.113.53"

# The provider's router with its name server, and the internet behind a line of 100/20 Mbit/s.
NETWORK = """
set -e
mkdir -p /run/machine/upper /run/machine/work /run/machine/root /run/cgroup
for name in isp internet; do ip netns add $name; ip -n $name link set lo up; done
ip -n isp link add net0 type veth peer name isp0 netns internet
ip -n isp address add 198.51.100.1/24 dev net0; ip -n isp link set net0 up
ip -n internet address add 198.51.100.80/24 dev isp0; ip -n internet link set isp0 up
ip -n internet route add default via 198.51.100.1
ip netns exec isp sysctl -qw net.ipv4.ip_forward=1
ip netns exec isp tc qdisc add dev net0 root tbf rate 20mbit burst 32k latency 150ms
mount -t cgroup2 cgroup2 /run/cgroup
"""

# The cable from the house to the router: new with each boot.
CABLE = f"""
set -e
ip netns delete home 2>/dev/null || true
ip -n isp link delete home0 2>/dev/null || true
ip netns add home
ip -n isp link add home0 type veth peer name $1 netns home
ip -n isp address add {ROUTER}/24 dev home0; ip -n isp address add {NAME_SERVER}/24 dev home0
ip -n isp link set home0 up
ip netns exec isp tc qdisc add dev home0 root tbf rate 100mbit burst 32k latency 150ms
"""

BOOT = """
set -e
mkdir -p /run/cgroup/speedmon-debian-$1
echo $$ >/run/cgroup/speedmon-debian-$1/cgroup.procs
exec unshare --mount sh -ec '
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --register=no --keep-unit --boot --console=pipe \\
    --directory=/run/machine/root --network-namespace-path=/run/netns/home --resolv-conf=off --timezone=off \\
    --bind-ro="$1:/var/cache/wheels" --bind-ro="$2:/var/cache/speedmon-wheel" \\
    --hostname=home --capability=CAP_NET_ADMIN systemd.log_target=journal
' sh "$2" "$3"
"""

INTERFACES = "auto lo\niface lo inet loopback\nauto {0}\niface {0} inet dhcp\n"

# A user with sudo, as Debian's installer makes one; and pip's packages from a folder, as there is no internet here.
USER = """
set -e
useradd --create-home --shell /bin/bash ann
printf 'ann ALL=(ALL) NOPASSWD: ALL\\n' >/etc/sudoers.d/ann
printf '[global]\\nno-index = true\\nfind-links = /var/cache/wheels /var/cache/speedmon-wheel\\n' >/etc/pip.conf
rm -f /etc/resolv.conf; echo 'nameserver 192.0.2.1' >/etc/resolv.conf
: >/etc/machine-id; echo home >/etc/hostname; printf '127.0.0.1 localhost\\n127.0.1.1 home\\n' >/etc/hosts
"""

WITHIN = "exec nsenter --target $(pgrep -x -o systemd) --all --root --wd -- env -C /"


class DebianMachine(PrivateMachine):
    """The booted system and its router."""

    def __init__(self, suite: Suite) -> None:
        tree, wheels = prepare_tree(suite), prepare_wheels(suite)
        super().__init__()
        self.suite = suite
        self.before: list[str] = []  # the snapshot that a test compares the system with
        self._wheels = [str(wheels), tempfile.mkdtemp(prefix="speedmon-wheel-")]
        Path(self._wheels[1]).chmod(0o755)
        build_wheel(Path(self._wheels[1]))
        self._boots = 0
        self._init: subprocess.Popen[str] | None = None
        self._console = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115  open as long as this machine
        self._group = f"{suite.name}-{id(self)}"
        self.host(NETWORK)
        options = f"lowerdir={tree},upperdir=/run/machine/upper,workdir=/run/machine/work"
        self.host(f"mount -t overlay overlay -o {options} /run/machine/root")
        self._prepare_files()
        self.plug_in("eth0")
        self._servers = [self._serve("isp", "names"), self._serve("internet", "speedtest")]
        self.boot()

    def _prepare_files(self) -> None:
        """Add the user, the checkout as it is now, and the network's configuration."""
        self.host(f"chroot /run/machine/root /bin/sh -c {shlex.quote(USER)}")
        self.path("/run/machine/root/etc/network/interfaces").write_text(INTERFACES.format("eth0"))
        names = subprocess.run(
            ["/usr/bin/git", "ls-files", "-z", "-co", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
        )
        packed = subprocess.run(
            [
                "/usr/bin/tar",
                "--create",
                "--null",
                "--files-from=-",
                "--ignore-failed-read",
                "--owner=ann:1000",
                "--group=ann:1000",
            ],
            cwd=ROOT,
            input=names.stdout,
            check=True,
            capture_output=True,
        )
        target = self.path("/run/machine/root/home/ann/speedmon")
        target.mkdir()
        subprocess.run(["/usr/bin/tar", "--extract", "--directory", str(target)], input=packed.stdout, check=True)
        self.host("chroot /run/machine/root chown -R ann:ann /home/ann")

    def plug_in(self, name: str, address: str = "203.0.113.10", dns: str = NAME_SERVER) -> None:
        """Give the system a new uplink of this name, whose router hands out this address by DHCP."""
        self.run(["sh", "-c", CABLE, "sh", name])
        self.serve_dhcp(address, dns)

    def replace_cable(self, name: str) -> None:
        """Take the uplink away from the running system, and give it another one of this name."""
        self.run(["sh", "-c", CABLE.replace("ip netns delete home", ":").replace("ip netns add home", ":"), "sh", name])
        self.serve_dhcp("203.0.113.10")

    def serve_dhcp(self, address: str, dns: str = NAME_SERVER) -> None:
        """Let the router hand out another address, or other name servers."""
        server = ["dnsmasq", "--conf-file=/dev/null", "--port=0", "--interface=home0", "--user=root"]
        server += ["--bind-interfaces", "--dhcp-authoritative", f"--dhcp-range={address},{address},255.255.255.0,1h"]
        server += [f"--dhcp-option=option:router,{ROUTER}", f"--dhcp-option=option:dns-server,{dns}"]
        server += ["--dhcp-leasefile=/run/leases", "--pid-file=/run/dnsmasq.pid", "--log-facility=/run/dnsmasq.log"]
        self.host("test ! -e /run/dnsmasq.pid || kill $(cat /run/dnsmasq.pid); rm -f /run/leases /run/dnsmasq.pid")
        # It goes into the background once it listens.
        self.run(["nsenter", "--net=/run/netns/isp", *server])

    def _serve(self, netns: str, name: str) -> subprocess.Popen[str]:
        command = ["nsenter", f"--net=/run/netns/{netns}", sys.executable, "-P", "-m", "netns.lab.servers", name]
        server = self.popen(command, stdout=subprocess.PIPE)
        assert server.stdout is not None
        assert server.stdout.readline(), f"the server {name} did not start"
        return server

    def boot(self, *, wait: bool = True) -> None:
        """Start systemd, and wait until it has started everything, or until it answers at all."""
        self._boots += 1
        self._init = self.popen(
            ["sh", "-c", BOOT, "sh", f"{self._group}-{self._boots}", *self._wheels],
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + DEADLINE_S
        states = {"running", "degraded"} if wait else {"running", "degraded", "starting"}
        while (state := self.within("systemctl", "is-system-running").stdout.strip()) not in states:
            assert time.monotonic() < deadline, (
                f"Debian did not boot: {state}: {self.within('systemctl', 'list-jobs').stdout}"
            )
            assert self._init.poll() is None, f"systemd-nspawn ended: {self.console()}"
            time.sleep(0.2)

    def console(self) -> str:
        """Return the last lines that the system wrote to its console."""
        self._console.seek(0)
        return self._console.read()[-3000:]

    def shut_down(self) -> None:
        """Power off in order."""
        assert self._init is not None
        self.within("systemctl", "poweroff")
        self._init.wait(timeout=DEADLINE_S)

    def reboot(self, uplink: str = "eth0", *, wait: bool = True) -> None:
        """Power off and start again, with a new network."""
        self.shut_down()
        self.plug_in(uplink)
        self.boot(wait=wait)

    def close(self) -> None:
        """End everything; the control groups are removed first."""
        if self._init is not None and self._init.poll() is None:
            self.host("kill -KILL $(pgrep -x -o systemd)", check=False)
            self._init.wait(timeout=DEADLINE_S)
        self.host(f"find /run/cgroup/speedmon-debian-{self._group}-* -depth -type d -exec rmdir {{}} +", check=False)
        for server in self._servers:
            assert server.stdout is not None
            server.stdout.close()
        self._console.close()
        shutil.rmtree(self._wheels[1])
        super().close()
        for server in self._servers:
            server.wait(timeout=DEADLINE_S)

    def host(self, script: str, *, check: bool = True) -> CompletedProcess[str]:
        """Run a shell script outside of the system, where its router is."""
        return self.run(["sh", "-c", script], check=check, timeout=DEADLINE_S)

    def within(self, *argv: str, **options: Any) -> CompletedProcess[str]:
        """Run a command in the system as root; it may fail."""
        options = {"timeout": DEADLINE_S, "check": False, **options}
        return self.run(["sh", "-c", f'{WITHIN} "$@"', "sh", *argv], **options)

    def shell(self, script: str, *, user: str | None = None, check: bool = True, timeout: float = 900) -> str:
        """Run a shell script in the system, as root or as a user who has just logged in; return its output."""
        login = ["runuser", "--login", user, "--command"] if user else ["/bin/bash", "-lc"]
        done = self.within(*login, script, timeout=timeout)
        assert not check or done.returncode == 0, f"{script} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr
