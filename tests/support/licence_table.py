"""Writes docs/licences.md: the licence of each package that an installation may bring along, from its own metadata."""

from __future__ import annotations

import re
from importlib import metadata

from places import ROOT

PAGE = ROOT / "docs" / "licences.md"
LOCK = ROOT / "requirements.lock"
PINNED = re.compile(r"^([A-Za-z0-9_.\-]+)(?:\[[^]]*\])?==(\S+)([^\\\n]*)", re.MULTILINE)

# Licences under which a package may be used by, and delivered with, a program under any licence.
PERMITTED = frozenset(
    {"MIT", "BSD", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache-2.0", "PSF-2.0", "ISC", "HPND", "Zlib", "MIT-CMU"}
    | {"Unlicense", "CC0-1.0", "MPL-2.0", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT-0", "BSL-1.0"}
)
NAMES = {
    "MIT License": "MIT",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later",
    "The Unlicense (Unlicense)": "Unlicense",
}
OTHER_TEXTS = {"Apache License, Version 2.0": "Apache-2.0", "Apache 2.0": "Apache-2.0", "BSD 3-Clause": "BSD-3-Clause"}
# Its release for Python 3.11 says only "BSD License"; the text that it brings along is this one, as later ones say.
READ_BY_US = {"contourpy": "BSD-3-Clause"}
HEAD = """\
# Licences of the dependencies

What an installation brings along besides speedmon, as `requirements.lock` pins it, and the licence that each package
names in its own metadata. `make licences` writes this page; a test compares it, and refuses a licence that it does not
know. What it measures with (Ookla's CLI, librespeed-cli, iperf3) is not part of it.

| package | version | licence |
|---|---|---|
"""


def find_licence(name: str) -> str:
    """Return the licence of an installed package: its expression, else its classifiers, else the text it gives."""
    if name in READ_BY_US:
        return READ_BY_US[name]
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return expression
    classifiers = [entry.rpartition(" :: ")[2] for entry in about.get_all("Classifier") or () if "License ::" in entry]
    known = [NAMES.get(entry, entry) for entry in classifiers if entry != "OSI Approved"]
    text = next(iter((about.get("License") or "").splitlines()), "").strip()
    return " AND ".join(dict.fromkeys(known)) or OTHER_TEXTS.get(text, text) or "unknown"


def locked_packages() -> list[tuple[str, str]]:
    """Return name and version of each package of the lock file; those for other systems are left out."""
    pinned = PINNED.findall(LOCK.read_text(encoding="utf-8"))
    return [(name, version.rstrip(";")) for name, version, marker in pinned if "win32" not in marker]


def is_permitted(licence: str) -> bool:
    """Return whether one of the alternatives of an expression has nothing but permitted licences."""
    alternatives = licence.replace("(", "").replace(")", "").split(" OR ")
    return any(all(part.strip() in PERMITTED for part in choice.split(" AND ")) for choice in alternatives)


def write_page() -> str:
    """Return the text of the page."""
    return HEAD + "".join(f"| {name} | {version} | {find_licence(name)} |\n" for name, version in locked_packages())


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
