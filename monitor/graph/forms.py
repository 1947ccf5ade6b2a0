"""File formats of graphs. Imports nothing heavy: the command line lists them in its help."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final, Literal, get_args

Form = Literal["png", "svg", "pdf"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)


def form_of(name: str) -> Form | None:
    """Return the format by the extension of a file name: PNG without one, None for one that is not supported."""
    ending = PurePath(name).suffix.lower()
    return next((form for form in FORMS if ending == f".{form}"), None if ending else "png")
