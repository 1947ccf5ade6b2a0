"""The process that sends one message to one address, or fetches one URL: `python -m monitor.notify.send`.

It reads an `Outgoing` as JSON from stdin, so that no secret is in its command line, and prints why it failed. Only this
process imports Apprise. It ends itself at the deadline, even if whoever started it is gone.
"""

from __future__ import annotations

import logging
import signal
import sys
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.notify.addresses import without_secrets

# Exit code of a message that could not be sent; the reason is on stdout.
EXIT_NOT_SENT = 1

# A library is missing.
EXIT_NO_LIBRARY = 2

_HTTP_ERROR = 400


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for an address of Apprise or, without a title, a URL to fetch; `picture` is the path of a PNG."""

    url: str
    title: str = ""
    text: str = ""
    html: str = ""
    picture: str = ""
    deadline_s: int = 30


class _Reasons(logging.Handler):
    """Collects what Apprise says of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


def main() -> int:
    """Send what stdin says; return the exit code."""
    outgoing = msgspec.json.decode(sys.stdin.buffer.read(), type=Outgoing)
    signal.alarm(outgoing.deadline_s)
    try:
        reason = deliver_now(outgoing)
    except ImportError as error:
        sys.stdout.write(str(error))
        return EXIT_NO_LIBRARY
    sys.stdout.write(reason)
    return EXIT_NOT_SENT if reason else 0


def deliver_now(outgoing: Outgoing) -> str:
    """Send a message or fetch a URL; return why that failed, without secrets, empty if it did not.

    Raises:
        ImportError: Apprise is missing.
    """
    reason = _send(outgoing) if outgoing.title else _fetch(outgoing)
    return without_secrets(reason, outgoing.url)


def _fetch(outgoing: Outgoing) -> str:
    """Fetch a URL; return why that failed, empty if it did not."""
    import urllib.error  # noqa: PLC0415  only a ping needs it
    import urllib.request  # noqa: PLC0415  the same

    request = urllib.request.Request(outgoing.url, headers={"User-Agent": "speedmon"})  # noqa: S310  http by its setting
    try:
        with urllib.request.urlopen(request, timeout=outgoing.deadline_s) as answer:  # noqa: S310  see above
            return "" if answer.status < _HTTP_ERROR else f"HTTP status {answer.status}"
    except (OSError, ValueError) as error:
        return str(error)


def _send(outgoing: Outgoing) -> str:
    """Send a message; return why that failed, empty if it did not."""
    import apprise  # noqa: PLC0415  optional, and only a message needs it

    reasons = _Reasons()
    logger = logging.getLogger("apprise")
    logger.handlers[:] = [reasons]
    logger.propagate = False
    service = apprise.Apprise.instantiate(outgoing.url, asset=apprise.AppriseAsset(app_id="speedmon"))
    if service is None:
        return "; ".join(reasons.lines) or "Apprise does not know this service, or the address is incomplete"
    # One format in older releases, several in newer ones: the first is the one that the service prefers.
    formats: Any = service.notify_format
    as_html = (formats[0] if isinstance(formats, tuple) else formats) == apprise.NotifyFormat.HTML
    sender = apprise.Apprise()
    sender.add(service)
    sent = sender.notify(
        title=outgoing.title,
        body=outgoing.html if as_html else outgoing.text,
        body_format=apprise.NotifyFormat.HTML if as_html else apprise.NotifyFormat.TEXT,
        attach=outgoing.picture or None,
    )
    return "" if sent else "; ".join(reasons.lines) or "the service refused the message"


if __name__ == "__main__":
    sys.exit(main())
