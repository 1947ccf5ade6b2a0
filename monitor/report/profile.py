"""A rule profile: what must be so before a line is said not to keep what was sold, read from TOML. See `rules/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the tests are held against, with what makes a sample of them large enough."""

    name: str


def load(file: Path | None) -> Profile:
    """Return the profile of a file; None: the example that is shipped.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or has a wrong key or value.
    """
    raise NotImplementedError(file)
