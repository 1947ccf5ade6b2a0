"""What can go wrong with a namespace, each with its exit code and whether trying again makes sense.

NetnsError                the namespace cannot be had                          exit 5
├── NotPermittedError     root, or the group of the launcher, is needed        exit 6
├── SpecError             a name, subnet or uplink that cannot be used         exit 2
├── ForeignStateError     somebody else's interface, file or namespace is in the way
├── NoUplinkError         the host has no IPv4 default route                   retry
├── StepError             the kernel or a tool refused a step; what this call did was undone
├── BlockedError          another firewall of this host drops what comes from the namespace
├── MissingToolError      a program that set-up needs is not installed
├── NamespaceMissingError the namespace is not there or not sound
└── LabError              the lab of `speedmon demo` could not be built        exit 1
"""

from __future__ import annotations


class NetnsError(Exception):
    """The namespace cannot be had; the message names what stands in the way and the mend."""

    exit_code = 5
    retry = False
    # Set on an error whose steps could not all be undone: then the journal must go on telling of them.
    left_behind = False


class NotPermittedError(NetnsError):
    """The caller lacks the right: root for set-up, membership of the launcher's group for use."""

    exit_code = 6


class SpecError(NetnsError):
    """A name, subnet or uplink that cannot be used, found before anything was touched."""

    exit_code = 2


class ForeignStateError(NetnsError):
    """An interface, file, group or namespace of our name that is not ours is in the way."""


class NoUplinkError(NetnsError):
    """The host has no IPv4 default route, so there is nothing to masquerade to."""

    retry = True


class StepError(NetnsError):
    """The kernel or a tool refused a step; everything this call had done was undone."""


class BlockedError(NetnsError):
    """Another firewall or policy rule of this host keeps packets from the uplink, and nothing we may add helps."""


class MissingToolError(NetnsError):
    """A program that set-up needs is not installed."""


class NamespaceMissingError(NetnsError):
    """The namespace is not there, or what is there is not a sound namespace."""


class LabError(NetnsError):
    """The lab of the demo and the tests could not be built on this machine."""

    exit_code = 1
