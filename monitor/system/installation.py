"""This installation of speedmon: its name, its version, and the command that adds a library to it.

The distribution is not called `speedmon`, as that name belongs to another project in the package index. So every text
that says what to install comes from here: it names the library itself, and installs it for the Python that runs this.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import site
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DISTRIBUTION = "speedmon-ip4only"

_HERE = Path(__file__).resolve().parents[1]  # the package `monitor`


@dataclass(frozen=True, slots=True)
class Installation:
    """What decides how a library is added: the interpreter, where it belongs, and who may write there."""

    prefix: str
    executable: str
    pipx: bool = False
    venv: bool = True
    writable: bool = True
    pip: bool = True
    externally_managed: bool = False
    home: str = ""


def install_command(*libraries: str) -> str:
    """Return the command that adds libraries to this very installation."""
    return command_for(_this(), libraries)


def command_for(here: Installation, libraries: tuple[str, ...]) -> str:
    """Return the command that adds libraries to an installation; pure."""
    wanted = shlex.join(libraries)
    sudo = "" if here.writable else "sudo "
    if here.pipx:
        return f"{sudo}{_pipx_home(here)}pipx inject {shlex.quote(Path(here.prefix).name)} {wanted}"
    python = shlex.quote(here.executable)
    if not here.pip:
        return f"{sudo}uv pip install --python {python} {wanted}"
    # A distribution's own Python refuses pip without this option; speedmon itself was installed with it.
    forced = "" if here.venv or not here.externally_managed else "--break-system-packages "
    return f"{sudo}{python} -m pip install {forced}{wanted}"


def _pipx_home(here: Installation) -> str:
    """Return the variable that pipx needs where the installation is not in this user's usual folder, else ""."""
    home = Path(here.prefix).parent.parent
    usual = {Path(here.home, ".local/share/pipx"), Path(here.home, ".local/pipx")}
    return "" if here.writable and home in usual else f"PIPX_HOME={shlex.quote(str(home))} "


def _this() -> Installation:
    # Both folders without sysconfig, which would be loaded before each test.
    packages, standard_library = site.getsitepackages()[0], Path(os.__file__).parent
    return Installation(
        prefix=sys.prefix,
        executable=sys.executable,
        pipx=Path(sys.prefix, "pipx_metadata.json").exists(),
        venv=sys.prefix != sys.base_prefix,
        writable=os.access(packages, os.W_OK) or Path.home() in _HERE.parents,
        pip=importlib.util.find_spec("pip") is not None,
        externally_managed=(standard_library / "EXTERNALLY-MANAGED").exists(),
        home=str(Path.home()),
    )


def version_line() -> str:
    """Return the version and, where it is known, the commit that this was built from or is run from."""
    from monitor import __version__  # noqa: PLC0415  a build loads this module alone

    commit = _commit()
    return f"{__version__} (commit {commit})" if commit else __version__


def _commit() -> str:
    """Return the commit that the build recorded, else that of the checkout; empty where it is not known."""
    try:
        return (_HERE / "commit.txt").read_text(encoding="ascii").strip()
    except OSError:
        return checked_out(_HERE.parent)


def checked_out(root: Path) -> str:
    """Return the commit of a checkout, marked where files differ from it; empty without git or a repository."""
    if not (root / ".git").exists():
        return ""
    # The owner of a checkout may be another user than root, who builds from it.
    git = ["git", "-C", str(root), "-c", f"safe.directory={root}", "-c", "core.fsmonitor=false"]

    def ask(*arguments: str) -> str:
        result = subprocess.run([*git, *arguments], check=True, capture_output=True, text=True, timeout=5)
        return result.stdout.strip()

    try:
        commit = ask("rev-parse", "--short=12", "HEAD")
        return f"{commit}, with changes" if ask("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return ""
