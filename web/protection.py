"""How `speedmon serve` is protected, by its settings and the tokens; it refuses to be open to a network by mistake."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from monitor.errors import UsageError
from web.access import AccessRules, parse_networks
from web.tokens import read_tokens, tokens_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.config.settings import WebSettings


def make_rules(web: WebSettings, environ: Mapping[str, str], uid: int, *, insecure: bool) -> AccessRules:
    """Return the rules of a site.

    This machine alone may read and act, unless a proxy on it speaks for others. A network needs tokens or a proxy;
    with `insecure` everybody may read, and nobody acts without a token.

    Raises:
        UsageError: everybody on the network could read the page.
        ConfigError: a trusted proxy is no address.
        StateFileError: the tokens cannot be read.
    """
    file = tokens_file(environ, uid)
    proxies = parse_networks("web.trusted_proxy", web.trusted_proxy)
    is_alone = not listens_on_network(web.host) and not proxies
    if not (is_alone or proxies or insecure or read_tokens(file)):
        raise UsageError(
            f"web.host {web.host} lets the whole network read the page: make a token with `speedmon token add NAME`, "
            "name the proxy that logs visitors in with web.trusted_proxy, or give --insecure"
        )
    return AccessRules(
        reads_freely=is_alone or insecure,
        acts_freely=is_alone,
        tokens=lambda: read_tokens(file),
        proxies=proxies,
        user_header=web.user_header,
    )


def is_address(name: str) -> bool:
    """Return whether a name is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def listens_on_network(host: str) -> bool:
    """Return whether other machines can connect to an address to listen on."""
    return not (host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback))
