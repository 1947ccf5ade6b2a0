"""The kinds of file that a picture can be. Imports nothing heavy: the command line lists them in its help."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final, Literal, get_args

Form = Literal["png", "svg", "pdf"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)


def form_of(name: str) -> Form | None:
    """Return what a file is by the end of its name: PNG if it has none; None for an end that is no kind of ours."""
    ending = PurePath(name).suffix.lower()
    return next((form for form in FORMS if ending == f".{form}"), None if ending else "png")
