"""The error tree of namespaces: what can go wrong, with the exit code and whether trying again makes sense.

NetnsError                the namespace cannot be set up or used               exit 5
├── NotPermittedError     root, or membership in the launcher's group         exit 6
├── SpecError             a name, subnet or uplink that cannot be used         exit 2
├── ForeignStateError     an interface, file or namespace of our name that is not ours
├── NoUplinkError         the host has no IPv4 default route                   retry
├── StepError             the kernel or a tool refused a step; what this call did was undone
├── BlockedError          another firewall on this host drops packets from the namespace
├── NameServerError       the name servers chosen for the namespace answer this host, but not the namespace
├── MissingToolError      a program that set-up needs is not installed
├── NamespaceMissingError the namespace does not exist or is not sound
└── LabError              the lab of `speedmon demo` could not be built        exit 1
"""

from __future__ import annotations


class NetnsError(Exception):
    """The namespace cannot be set up or used; the message names the obstacle and the fix."""

    exit_code = 5
    retryable = False
    # True if some steps could not be undone: then the journal must keep listing them.
    left_behind = False


class NotPermittedError(NetnsError):
    """The caller lacks the right: root for set-up, membership of the launcher's group for use."""

    exit_code = 6


class SpecError(NetnsError):
    """A name, subnet or uplink that cannot be used, found before anything was changed."""

    exit_code = 2


class ForeignStateError(NetnsError):
    """An interface, file, group or namespace of our name that is not ours is in the way."""


class NoUplinkError(NetnsError):
    """The host has no IPv4 default route, so there is nothing to masquerade to."""

    retryable = True


class StepError(NetnsError):
    """The kernel or a tool refused a step; everything this call had done was undone."""

    @classmethod
    def from_output(cls, program: str, output: str, exit_code: int) -> StepError:
        """Return the error for a program that failed: the first line that it printed, else its exit code."""
        lines = output.strip().splitlines()
        return cls(f"{program}: {lines[0] if lines else f'exit code {exit_code}'}")


class NameServerError(NetnsError):
    """No name server chosen for the namespace answers it, although this host gets answers from its own."""


class BlockedError(NetnsError):
    """Another firewall or policy rule on this host keeps packets from the uplink, and no opening we could add helps."""


class MissingToolError(NetnsError):
    """A program that set-up needs is not installed."""


class NamespaceMissingError(NetnsError):
    """The namespace does not exist, or is not sound."""


class LabError(NetnsError):
    """The lab of the demo and the tests could not be built on this machine."""

    exit_code = 1
