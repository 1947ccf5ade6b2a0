"""pyroute2 as it is used here: its messages alone, whatever release of it is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from private_machine import PrivateMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADED = "import netns.kernel.changes; import sys; print(*sorted(sys.modules))"

# Its sockets, its package, and what they bring along.
SLOW = {"asyncio", "ssl", "pyroute2", "pyroute2.netlink.nlsocket", "pyroute2.iproute.linux", "pyroute2.ndb.main"}
LINK = """
from netns.kernel.changes import Kernel
from netns.kernel import namespaces
namespaces.create_namespace("far")
with Kernel() as kernel:
    kernel.add_veth(None, "near0", "far0", "far", 1400)
    kernel.put_address(None, "near0", "10.1.1.1", 24)
    kernel.set_up(None, "near0")
    kernel.put_route(None, "10.2.0.0/16", "10.1.1.2", "near0")
    index = kernel.index("near0", None)
    kernel.socket(None).tc("replace", "tbf", index, 0x10000, rate="8000000bit", burst=3000, latency="50ms")
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[PrivateMachine]:
    """Yield a private machine."""
    with PrivateMachine() as opened:
        yield opened


def python(code: str, **environ: str) -> str:
    """Run Python in a process of its own; return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environ)
    return done.stdout


def test_the_messages_alone_are_imported():
    """Neither the sockets of pyroute2, which need asyncio, nor its package; a release that moves things shows here."""
    loaded = set(python(LOADED).split())
    assert loaded & SLOW == set()
    assert "pyroute2.netlink.rtnl.ifinfmsg" in loaded


def test_whoever_imports_pyroute2_afterwards_gets_all_of_it():
    """The package whose `__init__` did not run is not left in sys.modules."""
    assert python("import netns.kernel.changes; import pyroute2; print(pyroute2.NDB.__name__)") == "NDB\n"


def test_whoever_imported_pyroute2_before_keeps_it():
    """Nobody's pyroute2 is taken away."""
    assert (
        python("import netns.kernel.changes; import pyroute2; import sys; print(sys.modules['pyroute2'] is pyroute2)")
        == "True\n"
    )


def test_a_release_whose_modules_need_their_package_works_as_well(tmp_path: Path):
    """Its modules are found only after its `__init__` has run: then all of it is imported, which only takes longer."""
    spec = importlib.util.find_spec("pyroute2")
    assert spec is not None
    assert spec.origin is not None
    (tmp_path / "pyroute2").mkdir()
    (tmp_path / "pyroute2/__init__.py").write_text(f"__path__.append({str(Path(spec.origin).parent)!r})\n")
    loaded = python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {LOADED}").split()
    assert {"pyroute2", "pyroute2.netlink.rtnl.ifinfmsg"} <= set(loaded)


def test_links_addresses_routes_and_limits_are_made(machine: PrivateMachine):
    """A pair into another namespace, an address, a route over it, and a rate by pyroute2's own socket."""
    machine.python(LINK)
    shown = machine.run(["sh", "-c", "ip address show near0; ip route; tc qdisc show dev near0; ip -n far link"]).stdout
    for part in ("mtu 1400", "inet 10.1.1.1/24", "10.2.0.0/16 via 10.1.1.2", "tbf 1: root", "rate 8Mbit", "far0@"):
        assert part in shown


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Kernel().add_veth(None, 'lo', 'x', 'there', 1500)", "File exists"),
        ("Kernel().put_route(None, 'default', '10.9.9.9', 'lo')", "Network is unreachable"),
        ("Kernel().delete_link('there', 'x')", "no interface x in there"),
        ("Kernel().set_up('nowhere', 'x')", "no interface x in nowhere"),
        ("namespaces.create_namespace('there')", "File exists: '/run/netns/there'"),
    ],
)
def test_what_the_kernel_refuses_is_an_os_error_in_its_words(machine: PrivateMachine, call: str, message: str):
    """Each call says what was refused."""
    imports = "from netns.kernel import namespaces; from netns.kernel.changes import Kernel"
    fresh = "namespaces.remove_namespace('there'); namespaces.create_namespace('there')"
    done = machine.python(f"{imports}; {fresh}; {call}", check=False)
    assert done.stderr.splitlines()[-1].split(": ", 1)[1].endswith(message)
