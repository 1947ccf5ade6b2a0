"""Writes the commit into what is built, so that an installation can name it; without git or a repository, nothing."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "monitor/commit.txt"


class CommitHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `monitor/commit.txt` to wheels and source distributions; a checkout that is run in place asks git itself."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file; one that a source distribution brought along is packed like any other."""
        root = Path(self.root)
        commit = "" if version == "editable" else _checked_out(root)
        if commit:
            self._folder = tempfile.TemporaryDirectory()
            written = Path(self._folder.name, "commit.txt")
            written.write_text(f"{commit}\n", encoding="ascii")
            build_data["force_include"][str(written)] = PLACE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was made for the build."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def _checked_out(root: Path) -> str:
    spec = importlib.util.spec_from_file_location("installation", root / "monitor" / "system" / "installation.py")
    if not spec or not spec.loader:
        return ""
    module = importlib.util.module_from_spec(spec)
    __import__("sys").modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return str(module.checked_out(root))
