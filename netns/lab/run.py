"""Opens the lab in a private machine: prepares its files, builds `netns.lab.topology`, starts its two servers.

`python -m netns.lab.run COMMAND…` runs a command in it, on the home host. It must be process 1 of a private machine of
`netns.lab.world`; everything ends with that process.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

from netns import apply
from netns.errors import LabError, StepError
from netns.lab import furnish, topology, world

if TYPE_CHECKING:
    from collections.abc import Iterator

# The namespace of each server, and its argument for the module that holds both.
SERVERS = ((topology.ISP, "names"), (topology.INTERNET, "speedtest"))
SERVER_MODULE = "netns.lab.speedtest_net"


@contextlib.contextmanager
def opened() -> Iterator[None]:
    """Open the lab for the block; this process then is on the home host.

    Raises:
        LabError: this process is not in a private machine, or the kernel lacks something that the lab needs.
    """
    world.require_inside()
    furnish.furnish(topology.ETC)
    try:
        apply.run(topology.steps())
    except StepError as error:
        raise LabError(f"the lab cannot be built: {error}") from error
    with contextlib.ExitStack() as stack:
        for netns, server in SERVERS:
            stack.enter_context(_serving(netns, server))
        yield


@contextlib.contextmanager
def _serving(netns: str, name: str) -> Iterator[None]:
    """Run one of the lab's servers in its namespace for the block, which begins when it listens."""
    program = ["nsenter", f"--net=/run/netns/{netns}", sys.executable, "-P", "-m", SERVER_MODULE, name]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as server:
        try:
            if server.stdout is None or not server.stdout.readline():
                raise LabError(f"the server {name} of the lab did not start")
            yield
        finally:
            server.kill()


def main() -> None:
    """Run the command of the command line in the lab and exit as it does."""
    with opened():
        code = subprocess.run(sys.argv[1:], check=False).returncode
    sys.exit(code)


if __name__ == "__main__":
    main()
