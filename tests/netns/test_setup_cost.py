"""What a set-up costs: what it imports and which programs it starts. `benchmarks/` measures the times."""

from __future__ import annotations

import json

from home_network import SPEEDMON, HomeNetwork

# Runs the program as it is, and prints as JSON what it imported and started, by the interpreter's own audit events.
WATCHED = """
import atexit, json, runpy, sys
started = []
sys.addaudithook(lambda event, arguments: event == "subprocess.Popen" and started.append(
    " ".join(map(str, arguments[1]))) or event in {"os.fork", "os.forkpty"} and started.append(event))
atexit.register(lambda: print(json.dumps([started, list(sys.modules)])))
runpy.run_path(sys.argv[1], run_name="__main__")
"""

# Each takes longer to import than a set-up takes to carry out all of its steps.
SLOW = {"asyncio", "ssl", "pyroute2", "pyroute2.iproute", "pyroute2.netlink.nlsocket", "sqlalchemy", "dns", "pydantic"}


def watched(home: HomeNetwork) -> tuple[list[str], set[str]]:
    """Set up; return the programs that were started, without their paths, and the modules that were imported."""
    code = WATCHED.replace("sys.argv[1]", repr(SPEEDMON))
    started, imported = json.loads(home.python(code, "setup-netns", "--no-launcher", "-q").stdout)
    return [line.rpartition("/")[2] for line in started], set(imported)


def test_a_set_up_starts_few_programs_and_imports_nothing_slow(home: HomeNetwork):
    """The first starts nft to look, load, look again and count, and imports pyroute2's messages; the second neither."""
    looks = ["nft -j list table inet speedmon", "nft -j list chains"]
    proof = ["nft -j list counters table inet speedmon"] * 2
    started, imported = watched(home)
    assert [line for line in started if line not in proof] == [*looks, "nft -j -f -", *looks]
    assert imported & SLOW == set()
    assert "pyroute2.netlink.rtnl.ifinfmsg" in imported
    started, imported = watched(home)
    assert [line for line in started if line not in proof] == looks
    assert not [name for name in imported if name in SLOW or name.startswith("pyroute2")]
