"""The kinds of file that a picture can be. Imports nothing heavy: the command line lists them in its help."""

from __future__ import annotations

from typing import Final, Literal, get_args

Form = Literal["png", "svg", "pdf"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)


def form_of(name: str) -> Form:
    """Return what a file is by the end of its name; PNG if that says nothing."""
    return next((form for form in FORMS if name.lower().endswith(f".{form}")), "png")
