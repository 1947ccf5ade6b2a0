"""One line of `speedmon check`; field order is the order of its JSON."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a reliable test needs.

    Attributes:
        name: identifies the check in JSON.
        ok: whether it passes; None where the caller may not look.
        message: what was observed.
        fix: what to do where it does not pass.
        matters: whether a test is unreliable without it.
    """

    name: str
    ok: bool | None
    message: str
    fix: str | None = None
    matters: bool = True

    @property
    def fails(self) -> bool:
        """Whether a test is unreliable because of it."""
        return self.ok is False and self.matters


def judged(name: str, problems: list[str], ok_message: str, fix: str, *, matters: bool = True) -> Line:
    """Return the line for a list of problems, with `ok_message` when there is none."""
    if problems:
        return Line(name, ok=False, message="; ".join(problems), fix=fix, matters=matters)
    return Line(name, ok=True, message=ok_message, matters=matters)
