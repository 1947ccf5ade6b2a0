"""What a user can do about a failed run, by kind, scope and engine: data. Pure.

Change the words here; `docs/failures.md` is made from them (see CONTRIBUTING.md) and `speedmon collect` prints them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.model import Kind, Scope

if TYPE_CHECKING:
    from monitor.model import Failure

ADVICE = {
    Kind.TIMEOUT: "see with `speedmon check` whether the line is up; a slow one needs a larger collect.timeout_s",
    Kind.DNS: "see with `speedmon check` which name server answers; namespace.dns names others",
    Kind.UNREACHABLE: "see with `speedmon check` how far packets get, then look at router and modem",
    Kind.REFUSED: "nothing while it is rare: the server, not the line, turned the test away; --server-id names another",
    Kind.TLS: "mend the clock and the certificates (ca-certificates) of this machine; a login page looks the same",
    Kind.RATE_LIMITED: "test less often (schedule.every_s); it goes away within hours",
    Kind.PROVIDER_DOWN: "nothing while it is rare: the provider's service, not the line, is out of order",
    Kind.SERVER_GONE: "set collect.server_id to a server that exists, or leave it empty and the engine chooses",
    Kind.NO_SERVER: "see with `speedmon check` whether the line is up; else collect.server_id names a server",
    Kind.STAGE_FAILED: "nothing while it is rare; if it lasts, collect.server_id names another server",
    Kind.BAD_OUTPUT: "open a web page over this line, which may ask for a login; else run the engine by hand",
    Kind.CRASHED: "update the engine, or set collect.engine to another one",
    Kind.NOT_INSTALLED: "install the engine, or set collect.engine to another one",
    Kind.WRONG_BINARY: "set the engine's path, such as ookla.binary, to the right program, or update it",
    Kind.LICENCE: 'accept the licence with ookla.accept_license = true, or set collect.engine = "speedtest-cli"',
    Kind.BIND: "see with `speedmon check` whether the namespace has its address and route",
    Kind.NAMESPACE: "run: sudo speedmon setup-netns",
    Kind.INTERRUPTED: "nothing: somebody ended the test",
    Kind.UNKNOWN: "see with `speedmon check` what works",
}

# Where whose fault it is changes what to do.
SCOPED = {
    (
        Kind.UNREACHABLE,
        Scope.UNKNOWN,
    ): "see with `speedmon check` whether the line or only the provider is out of reach",
    (Kind.UNREACHABLE, Scope.PROVIDER): "nothing while it is rare: the provider, not the line, was out of reach",
    (Kind.TIMEOUT, Scope.PROVIDER): "nothing while it is rare: the server, not the line, did not answer in time",
    (Kind.DNS, Scope.PROVIDER): "nothing while it is rare: the provider's name was not found just then",
    (Kind.NO_SERVER, Scope.PROVIDER): "nothing while it is rare; if it lasts, collect.server_id names a server",
    (Kind.UNKNOWN, Scope.PROVIDER): "nothing while it is rare: the line itself works",
    (Kind.BAD_OUTPUT, Scope.PROVIDER): "nothing while it is rare; else open a web page, this line may ask for a login",
    (Kind.CRASHED, Scope.LOCAL): "see what ended it, lack of memory above all: journalctl -k",
    (Kind.CRASHED, Scope.CONFIG): "install the engine anew, for this processor; its HOME is in the state directory",
}

# Where the server is the user's own.
OF_ENGINE = {
    ("iperf3", Kind.DNS): "see whether iperf3.host is right, and with `speedmon check` whether names are found",
    ("iperf3", Kind.REFUSED): "see that `iperf3 -s` runs at iperf3.host and iperf3.port, idle and without a login",
    ("iperf3", Kind.STAGE_FAILED): "see that nothing but `iperf3 -s` listens at iperf3.host and iperf3.port, and lasts",
    ("iperf3", Kind.BAD_OUTPUT): "see that nothing but `iperf3 -s` listens at iperf3.host and iperf3.port",
    ("iperf3", Kind.TIMEOUT): "see that iperf3.host is up and its firewall lets iperf3.port in",
}


def advice(failure: Failure, engine: str) -> str:
    """Return what to do about a failure of an engine, one clause without a full stop."""
    of_engine = OF_ENGINE.get((engine, failure.kind))
    return of_engine or SCOPED.get((failure.kind, failure.scope)) or ADVICE[failure.kind]


def needs_none(failure: Failure) -> bool:
    """Tell whether the message says enough: what speedmon tells of an engine that it never started names the mend."""
    unstarted = failure.exit_code is None and failure.signal is None and failure.stage in {"start", "lock"}
    return unstarted or failure.kind is Kind.INTERRUPTED
