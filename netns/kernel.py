"""Netlink sockets to the kernel, one a namespace. The only importer of pyroute2.

pyroute2 takes 70 ms to import, and 35 more for all that its package imports first and we do not use: nothing that runs
before each measurement may import this module.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from typing import Any, Self

from netns.join import joined


def _import_pyroute2() -> tuple[Any, Any, Any]:
    """Import what we use of pyroute2 without running the package's own `__init__`, which imports all of it."""
    spec = importlib.util.find_spec("pyroute2")
    lean = spec is not None and "pyroute2" not in sys.modules
    if lean and spec is not None:
        sys.modules["pyroute2"] = importlib.util.module_from_spec(spec)
    try:
        from pyroute2 import netns  # noqa: PLC0415  after the package was put in place
        from pyroute2.iproute.linux import IPRoute  # noqa: PLC0415  the same
        from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415  the same
    finally:
        if lean:
            del sys.modules["pyroute2"]  # whoever imports it next gets all of it
    return IPRoute, netns, NetlinkError


IPRoute, namespaces, NetlinkError = _import_pyroute2()


class Kernel:
    """Netlink sockets, one a namespace, opened when first needed and closed together."""

    def __init__(self) -> None:
        self._sockets: dict[str | None, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._sockets):
            self.forget(name)

    def socket(self, netns: str | None) -> Any:
        """Return the IPRoute of a namespace (None: the host). It stays bound to where it was opened."""
        if netns not in self._sockets:
            with joined(netns):
                self._sockets[netns] = IPRoute()
        return self._sockets[netns]

    def forget(self, netns: str | None) -> None:
        """Close the socket of a namespace, such as one that is about to be removed."""
        if netns in self._sockets:
            self._sockets.pop(netns).close()

    def index(self, link: str, netns: str | None) -> int:
        """Return the index of a link.

        Raises:
            OSError: there is no such link.
        """
        try:
            with joined(netns):
                return socket.if_nametoindex(link)
        except OSError:
            raise OSError(f"no interface {link}" + (f" in {netns}" if netns else "")) from None
