"""The trouble that this program exists for, reproduced: a static client on a dual-stack host with a slow IPv6 tunnel.

The client is linked against musl, as Ookla's is: it takes the first address in the order of RFC 6724, and no
configuration changes that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from netns.lab import run, topology

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = r"""
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {  /* HOST PATH: print the family and the rate in bit/s of fetching it over HTTP */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *one;
    char request[256], block[65536];
    long total = 0;
    if (argc != 3 || getaddrinfo(argv[1], "80", &hints, &found) != 0) return 2;
    for (one = found; one; one = one->ai_next) {
        int link = socket(one->ai_family, SOCK_STREAM, 0);
        double start = now();
        if (link < 0 || connect(link, one->ai_addr, one->ai_addrlen) != 0) { close(link); continue; }
        int length = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", argv[2], argv[1]);
        if (write(link, request, length) != length) return 3;
        for (long got; (got = read(link, block, sizeof block)) > 0;) total += got;
        printf("%d %.0f\n", one->ai_family == AF_INET6 ? 6 : 4, total * 8 / (now() - start));
        return 0;
    }
    return 4;
}
"""

PRELOAD = r"""
#include <unistd.h>
__attribute__((constructor)) static void announce(void) { if (write(2, "preloaded\n", 10)) {} }
"""

IPV4_FIRST = "precedence ::ffff:0:0/96 100"
TINY, SMALL, LARGE = (f"/speedtest/{name}" for name in ("latency.txt", "random1000x1000.jpg", "random2000x2000.jpg"))


@dataclass(frozen=True)
class Home:
    """A folder with the static client and a library for LD_PRELOAD; `do` runs a script in the home host of a lab."""

    folder: Path

    def do(self, script: str) -> subprocess.CompletedProcess[str]:
        """Return the finished script; `$client` is the client, `$speedmon` this program."""
        env = {**os.environ, "client": str(self.folder / "client"), "library": str(self.folder / "library.so")}
        env["speedmon"] = f"{sys.executable} -P -m monitor"
        inside = [sys.executable, "-P", "-m", "netns.lab.run", "sh", "-ec", script]
        command = run.private_machine_command(inside, rootless=os.geteuid() != 0)
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)

    def measure(self, script: str) -> tuple[int, float]:
        """Return the family and the best of the rates, in bit/s, that the client printed in a script."""
        lines = [line.split() for line in self.do(script).stdout.splitlines()]
        (family,) = {int(line[0]) for line in lines}
        return family, max(float(line[1]) for line in lines)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Compile the client, statically, and the library."""
    folder = tmp_path_factory.mktemp("trouble")
    for name, source, compiler in (
        ("client", CLIENT, ["musl-gcc", "-static", "-O2"]),
        ("library.so", PRELOAD, ["cc", "-shared", "-fPIC"]),
    ):
        (folder / f"{name}.c").write_text(source)
        subprocess.run([*compiler, "-o", str(folder / name), str(folder / f"{name}.c")], check=True)
    folder.chmod(0o755)
    return Home(folder)


def is_rate_of(rate: float, line: topology.AccessLine) -> bool:
    """Return whether a rate is that of a line; on a busy machine a program may get less than the line could carry."""
    return 0.4 * line.download_bps < rate < 1.15 * line.download_bps


def test_without_the_namespace_it_measures_the_tunnel(home: Home):
    """On the host the client goes over IPv6 and finds the rate of the tunnel, an eighth of the line's."""
    family, rate = home.measure(f"$client www.speedtest.net {SMALL}")
    assert family == 6
    assert is_rate_of(rate, topology.TUNNEL)


def test_with_the_namespace_it_measures_the_line(home: Home):
    """The same binary in the namespace goes over IPv4 and finds the rate of the line."""
    inside = f"$speedmon exec -- $client www.speedtest.net {LARGE}; "
    family, rate = home.measure(f"$speedmon setup-netns --no-launcher --quiet; {inside * 3}")
    assert family == 4
    assert is_rate_of(rate, topology.FIBRE)


def test_gai_conf_does_not_reach_it(home: Home):
    """With IPv4 preferred there, a program of glibc is given IPv4 first, and the static client still takes IPv6."""
    script = f"echo '{IPV4_FIRST}' > /etc/gai.conf; getent ahosts www.speedtest.net; $client www.speedtest.net {TINY}"
    lines = home.do(script).stdout.splitlines()
    assert lines[0].split()[0] == topology.SERVER_IPV4
    assert lines[-1].startswith("6 ")


def test_a_preloaded_library_does_not_reach_it(home: Home):
    """The loader puts it into a dynamic program, and a static one has no loader."""
    with_library = home.do("export LD_PRELOAD=$library; /bin/true").stderr
    assert with_library == "preloaded\n"
    assert home.do(f"export LD_PRELOAD=$library; $client www.speedtest.net {TINY}").stderr == ""
