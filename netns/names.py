"""Tries, from inside the namespace, the name servers that were chosen for it, and those of the host from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netns import resolver
from netns.errors import NameServerError
from netns.kernel.namespaces import enter_namespace
from netns.probe.name_trial import Trial, run_trials

if TYPE_CHECKING:
    from netns.spec import NamespaceSpec

HOST_RESOLV_CONF = "/etc/resolv.conf"

_FIX = "set namespace.dns to IPv4 name servers that answer, and run this again"


def prove_names(spec: NamespaceSpec) -> str | None:
    """Ask the name servers of the namespace from inside it; return a note for the user, None if nothing is wrong.

    Where nobody answers the host either, the line may be down: then only a server that was guessed is worth a note. The
    host's servers may be out of reach of an uplink that was named, which is worth one too.

    Raises:
        NameServerError: the host gets answers, the namespace does not, and both use the same uplink.
    """
    chosen = resolver.parse_servers(_read_text(f"{spec.etc}/resolv.conf"))
    with enter_namespace(spec.name):
        inside = [Trial(server) for server in chosen]
    host = [Trial(server) for server in resolver.parse_servers(_read_text(HOST_RESOLV_CONF))]
    run_trials(inside, host)
    if any(trial.replied for trial in inside):
        return None
    answered = [trial.server for trial in host if trial.replied]
    if answered and spec.uplink:
        return explain_silence(chosen, answered)
    if answered:
        raise NameServerError(explain_silence(chosen, answered))
    return None if spec.dns or _known_servers() else _describe_guess(chosen)


def explain_silence(chosen: list[str], answered: list[str]) -> str:
    """Return why names cannot be looked up inside, and the fix. Pure."""
    if not chosen:
        return f"no name server is known that the namespace could reach, this host uses {', '.join(answered)}; {_FIX}"
    return (
        f"the namespace is set up, but no name server answers in it: {', '.join(chosen)};"
        f" this host gets answers from {', '.join(answered)}; {_FIX}"
    )


def _describe_guess(chosen: list[str]) -> str:
    tried = f"the router {', '.join(chosen)} was tried and does not answer" if chosen else "there is no router to try"
    return f"this host names no IPv4 name server, and {tried}: {_FIX}"


def _known_servers() -> tuple[str, ...]:
    return resolver.reachable_servers(_read_text(source) for source in resolver.SOURCES)


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
