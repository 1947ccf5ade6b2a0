"""What a user can do about a failed run, by kind, scope and engine. Pure data.

Change the texts here: `speedmon collect` prints them, and `docs/failures.md` is generated from them (see
CONTRIBUTING.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.model import Kind, Scope

if TYPE_CHECKING:
    from monitor.model import Failure

ADVICE = {
    Kind.TIMEOUT: "run `speedmon check` to see whether the line is up; a slow line needs a larger collect.timeout_s",
    Kind.DNS: "run `speedmon check` to see which DNS server answers; others can be set in namespace.dns",
    Kind.UNREACHABLE: "run `speedmon check` to see how far packets get, then look at the router and the modem",
    Kind.REFUSED: "nothing if it is rare: the server, not the line, refused the test; --server-id selects another",
    Kind.TLS: "fix the clock and the certificates (ca-certificates) of this machine; a login page looks the same",
    Kind.RATE_LIMITED: "test less often (schedule.every_s); the limit is lifted within hours",
    Kind.PROVIDER_DOWN: "nothing if it is rare: the provider's service, not the line, is down",
    Kind.SERVER_GONE: "set collect.server_id to a server that exists, or leave it empty to let the engine choose",
    Kind.NO_SERVER: "run `speedmon check` to see whether the line is up; if it is, set collect.server_id",
    Kind.STAGE_FAILED: "nothing if it is rare; if it persists, set collect.server_id to another server",
    Kind.BAD_OUTPUT: "open a web page over this line, which may need a login; otherwise run the engine by hand",
    Kind.CRASHED: "update the engine, or set collect.engine to another one",
    Kind.NOT_INSTALLED: "install the engine, or set collect.engine to another one",
    Kind.WRONG_BINARY: "set the engine's path, such as ookla.binary, to the right program, or update it",
    Kind.LICENCE: 'accept the licence with ookla.accept_license = true, or set collect.engine = "speedtest-cli"',
    Kind.BIND: "run `speedmon check` to see whether the namespace has its address and route",
    Kind.NAMESPACE: "run: sudo speedmon setup-netns",
    Kind.INTERRUPTED: "nothing: the test was ended by somebody",
    Kind.UNKNOWN: "run `speedmon check` to see what works",
}

# Where the scope changes what to do.
SCOPED = {
    (
        Kind.UNREACHABLE,
        Scope.UNKNOWN,
    ): "run `speedmon check` to see whether the line or only the provider is unreachable",
    (Kind.UNREACHABLE, Scope.PROVIDER): "nothing if it is rare: the provider, not the line, was unreachable",
    (Kind.TIMEOUT, Scope.PROVIDER): "nothing if it is rare: the server, not the line, did not answer in time",
    (Kind.DNS, Scope.PROVIDER): "nothing if it is rare: the provider's name could not be resolved at that moment",
    (Kind.NO_SERVER, Scope.PROVIDER): "nothing if it is rare; if it persists, set collect.server_id",
    (Kind.UNKNOWN, Scope.PROVIDER): "nothing if it is rare: the line itself works",
    (
        Kind.BAD_OUTPUT,
        Scope.PROVIDER,
    ): "nothing if it is rare; otherwise open a web page, as this line may need a login",
    (Kind.CRASHED, Scope.LOCAL): "find out what ended it, most likely lack of memory: journalctl -k",
    (Kind.CRASHED, Scope.CONFIG): "reinstall the engine for this processor; its HOME is in the state directory",
}

# Engines whose server is the user's own.
OF_ENGINE = {
    ("iperf3", Kind.DNS): "make sure that iperf3.host is right, and run `speedmon check` to see whether DNS works",
    (
        "iperf3",
        Kind.REFUSED,
    ): "make sure that `iperf3 -s` runs at iperf3.host and iperf3.port, is idle and needs no login",
    (
        "iperf3",
        Kind.STAGE_FAILED,
    ): "make sure that `iperf3 -s` and nothing else listens at iperf3.host and iperf3.port, and keeps running",
    ("iperf3", Kind.BAD_OUTPUT): "make sure that `iperf3 -s` and nothing else listens at iperf3.host and iperf3.port",
    ("iperf3", Kind.TIMEOUT): "make sure that iperf3.host is up and its firewall allows iperf3.port",
}


def advice(failure: Failure, engine: str) -> str:
    """Return what to do about a failure of an engine, as one clause without a full stop."""
    engine_advice = OF_ENGINE.get((engine, failure.kind))
    return engine_advice or SCOPED.get((failure.kind, failure.scope)) or ADVICE[failure.kind]


def needs_none(failure: Failure) -> bool:
    """Whether the message is enough: where speedmon never started the engine, it names the fix itself."""
    never_started = failure.exit_code is None and failure.signal is None and failure.stage in {"start", "lock"}
    return never_started or failure.kind is Kind.INTERRUPTED
