"""What a user can do about a failed run, by kind, scope and engine. Pure data.

Change the texts here: `speedmon collect` prints them, and `docs/failures.md` is generated from them (see
CONTRIBUTING.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.model import FailureKind, Scope

if TYPE_CHECKING:
    from monitor.model import Failure


ADVICE = {
    FailureKind.TIMEOUT: (
        "run `speedmon check` to see whether the line is up; a slow line needs a larger collect.timeout_s"
    ),
    FailureKind.DNS: "run `speedmon check` to see which DNS server answers; others can be set in namespace.dns",
    FailureKind.UNREACHABLE: "run `speedmon check` to see how far packets get, then look at the router and the modem",
    FailureKind.REFUSED: (
        "nothing if it is rare: the server, not the line, refused the test; --server-id selects another"
    ),
    FailureKind.TLS: (
        "fix the clock and the certificates (ca-certificates) of this machine; a login page looks the same"
    ),
    FailureKind.RATE_LIMITED: "test less often (schedule.every_s); the limit is lifted within hours",
    FailureKind.PROVIDER_DOWN: "nothing if it is rare: the provider's service, not the line, is down",
    FailureKind.SERVER_GONE: (
        "set collect.server_id to a server that exists, or leave it empty to let the engine choose"
    ),
    FailureKind.NO_SERVER: "run `speedmon check` to see whether the line is up; if it is, set collect.server_id",
    FailureKind.STAGE_FAILED: "nothing if it is rare; if it persists, set collect.server_id to another server",
    FailureKind.BAD_OUTPUT: "open a web page over this line, which may need a login; otherwise run the engine by hand",
    FailureKind.CRASHED: "update the engine, or set collect.engine to another one",
    FailureKind.NOT_INSTALLED: "install the engine, or set collect.engine to another one",
    FailureKind.WRONG_BINARY: "set the engine's path, such as ookla.binary, to the right program, or update it",
    FailureKind.LICENCE: 'accept the licence with ookla.accept_license = true, or set collect.engine = "speedtest-cli"',
    FailureKind.BIND: "run `speedmon check` to see whether the namespace has its address and route",
    FailureKind.NAMESPACE: "run: sudo speedmon setup-netns",
    FailureKind.INTERRUPTED: "nothing: the test was ended by somebody",
    FailureKind.UNKNOWN: "run `speedmon check` to see what works",
}

# Where the scope changes what to do.
ADVICE_BY_SCOPE = {
    (FailureKind.UNREACHABLE, Scope.UNKNOWN): (
        "run `speedmon check` to see whether the line or only the provider is unreachable"
    ),
    (FailureKind.UNREACHABLE, Scope.PROVIDER): "nothing if it is rare: the provider, not the line, was unreachable",
    (FailureKind.TIMEOUT, Scope.PROVIDER): "nothing if it is rare: the server, not the line, did not answer in time",
    (FailureKind.DNS, Scope.PROVIDER): (
        "nothing if it is rare: the provider's name could not be resolved at that moment"
    ),
    (FailureKind.NO_SERVER, Scope.PROVIDER): "nothing if it is rare; if it persists, set collect.server_id",
    (FailureKind.UNKNOWN, Scope.PROVIDER): "nothing if it is rare: the line itself works",
    (FailureKind.BAD_OUTPUT, Scope.PROVIDER): (
        "nothing if it is rare; otherwise open a web page, as this line may need a login"
    ),
    (
        FailureKind.UNREACHABLE,
        Scope.LOCAL,
    ): "fix what the diagnosis names; `speedmon check` shows the state of this machine",
    (FailureKind.REFUSED, Scope.LOCAL): "let the test through the firewall of this machine",
    (FailureKind.DNS, Scope.LOCAL): (
        "run: sudo speedmon setup-netns; where that is not enough, set namespace.dns to servers that answer"
    ),
    (FailureKind.DNS, Scope.CONFIG): "set namespace.dns, or the name servers of this machine, to some that answer",
    (FailureKind.DNS, Scope.UNKNOWN): "nothing if it is rare; `speedmon check` shows which DNS server answers",
    (FailureKind.TLS, Scope.LOCAL): "set the clock and keep it synchronised: sudo timedatectl set-ntp true",
    (FailureKind.TLS, Scope.PROVIDER): "nothing if it is rare: the provider's certificate is wrong, the line works",
    (FailureKind.TLS, Scope.LINE): "log in to this network with a browser; the test gets the login page's certificate",
    (FailureKind.BAD_OUTPUT, Scope.LINE): "log in to this network with a browser; the test gets its login page",
    (FailureKind.TIMEOUT, Scope.LINE): "look at the router and the modem; `speedmon show last` has the evidence",
    (FailureKind.CRASHED, Scope.LOCAL): "find out what ended it, most likely lack of memory: journalctl -k",
    (FailureKind.CRASHED, Scope.CONFIG): "reinstall the engine for this processor; its HOME is in the state directory",
}

# Engines whose server is the user's own.
ADVICE_BY_ENGINE = {
    ("iperf3", FailureKind.DNS): (
        "make sure that iperf3.host is right, and run `speedmon check` to see whether DNS works"
    ),
    ("iperf3", FailureKind.REFUSED): (
        "make sure that `iperf3 -s` runs at iperf3.host and iperf3.port, is idle and needs no login"
    ),
    ("iperf3", FailureKind.STAGE_FAILED): (
        "make sure that `iperf3 -s` and nothing else listens at iperf3.host and iperf3.port, and keeps running"
    ),
    ("iperf3", FailureKind.BAD_OUTPUT): (
        "make sure that `iperf3 -s` and nothing else listens at iperf3.host and iperf3.port"
    ),
    ("iperf3", FailureKind.TIMEOUT): "make sure that iperf3.host is up and its firewall allows iperf3.port",
}


def advice_for(failure: Failure, engine: str) -> str:
    """Return what to do about a failure of an engine, as one clause without a full stop."""
    engine_advice = ADVICE_BY_ENGINE.get((engine, failure.kind))
    return engine_advice or ADVICE_BY_SCOPE.get((failure.kind, failure.scope)) or ADVICE[failure.kind]


def needs_no_advice(failure: Failure) -> bool:
    """Whether the message is enough: where speedmon never started the engine, it names the fix itself."""
    never_started = failure.exit_code is None and failure.signal is None and failure.stage in {"start", "lock"}
    return never_started or failure.kind is FailureKind.INTERRUPTED
