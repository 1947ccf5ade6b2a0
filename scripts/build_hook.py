"""Hatch's hook: put the commit that is built into the package, for `speedmon --version` to name."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "monitor/commit.txt"  # from a source distribution, which has no .git, it is there already


class Commit(BuildHookInterface):  # type: ignore[type-arg]  # hatch finds the class, whatever its name
    """Adds the file to a wheel and to a source distribution; an editable install is no build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the file outside of the checkout, and have it included."""
        if version == "editable" or Path(self.root, PLACE).exists() or not (commit := _commit(self.root)):
            return
        self._folder = tempfile.mkdtemp()
        file = Path(self._folder, "commit.txt")
        file.write_text(f"{commit}\n")
        build_data["force_include"][str(file)] = PLACE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002  hatch's
        """Tidy up."""
        if folder := getattr(self, "_folder", None):
            shutil.rmtree(folder)


def _commit(root: str) -> str:
    """Return the commit of a checkout, marked when files were changed; empty without git or a repository of its own."""
    if not Path(root, ".git").exists() or shutil.which("git") is None:
        return ""
    asked = ["git", "-C", root, "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"]
    return subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()
