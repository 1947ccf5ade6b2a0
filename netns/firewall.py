"""The only room that speaks to `nft`: load, list and delete a table of ours, each in one transaction."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from netns.errors import MissingToolError, StepError

if TYPE_CHECKING:
    from netns.ruleset import Command

# Where distributions put it; a user's PATH often lacks /usr/sbin.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
TIMEOUT_S = 30


def find_nft() -> str:
    """Return the path of `nft`.

    Raises:
        MissingToolError: it is not installed.
    """
    nft = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:{SBIN}")
    if nft is None:
        raise MissingToolError("nft is not installed, and NAT needs it: apt install nftables")
    return nft


def load(commands: tuple[Command, ...]) -> None:
    """Carry out `commands` in one transaction: all of it or nothing.

    Raises:
        StepError: nft or the kernel refused; its words are in the message.
    """
    _nft("-j", "-f", "-", stdin=json.dumps({"nftables": list(commands)}))


def listing(table: str) -> list[dict[str, Any]] | None:
    """Return the objects of table `inet TABLE` as nft lists them, None where there is no such table."""
    tables = json.loads(_nft("-j", "list", "tables", "inet"))["nftables"]
    if not any(entry.get("table", {}).get("name") == table for entry in tables):
        return None
    objects: list[dict[str, Any]] = json.loads(_nft("-j", "list", "table", "inet", table))["nftables"]
    return objects


def delete(table: str) -> None:
    """Delete table `inet TABLE`; no error where there is none."""
    named = {"table": {"family": "inet", "name": table}}
    load(({"add": named}, {"delete": named}))


def _nft(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        [find_nft(), *arguments], input=stdin, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise StepError(f"nft: {words[0] if words else f'exit code {done.returncode}'}")
    return done.stdout
