"""One line of `speedmon check`; field order is the order of its JSON."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a trustworthy test needs.

    Attributes:
        name: which; programs know it by this.
        ok: whether it is so; None where the caller may not look.
        message: what was seen.
        mend: what to do where it is not so.
        matters: whether a test is not to be trusted without it.
    """

    name: str
    ok: bool | None
    message: str
    mend: str | None = None
    matters: bool = True

    @property
    def fails(self) -> bool:
        """Whether a test is not to be trusted because of it."""
        return self.ok is False and self.matters


def judged(name: str, problems: list[str], fine: str, mend: str, *, matters: bool = True) -> Line:
    """Return the line for a list of problems, and what to say when there is none."""
    if problems:
        return Line(name, ok=False, message="; ".join(problems), mend=mend, matters=matters)
    return Line(name, ok=True, message=fine, matters=matters)
