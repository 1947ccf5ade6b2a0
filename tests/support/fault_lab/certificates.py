"""The certificates of the faults' lab, made by openssl(1): an authority, one valid and three bad ones an address."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from fault_lab import plan

if TYPE_CHECKING:
    from pathlib import Path

# Long enough that a handshake does not fit one packet.
_RSA = "rsa:3072"


def make_certificates(folder: Path) -> None:
    """Write ADDRESS.pem, also with -expired, -foreign and -intercepted, portal.pem and authority.pem."""
    folder.mkdir(parents=True, exist_ok=True)
    for authority in ("authority", "interceptor"):
        _openssl(folder, "req", "-x509", "-newkey", _RSA, "-nodes", "-keyout", f"{authority}.key", "-out",
                 f"{authority}.pem", "-days", "30", "-subj", f"/CN=Lab {authority}")  # fmt: skip
    _openssl(
        folder, "req", "-new", "-newkey", _RSA, "-nodes", "-keyout", "key.pem", "-out", "request", "-subj", "/CN=x"
    )
    for address, names in plan.CERTIFIED.items():
        _issue(folder, address, names, "30")
        _issue(folder, f"{address}-expired", names, "-1")
        _issue(folder, f"{address}-foreign", "DNS:elsewhere.example", "30")
        _issue(folder, f"{address}-intercepted", names, "30", "interceptor")
    _issue(folder, "portal", "DNS:login.hotel.example", "30")
    digest = _openssl(folder, "x509", "-hash", "-noout", "-in", "authority.pem").strip()
    (folder / "authority.hash").write_text(digest)


def _issue(folder: Path, name: str, alternatives: str, days: str, authority: str = "authority") -> None:
    (folder / "extensions").write_text(f"subjectAltName={alternatives}\n")
    _openssl(folder, "x509", "-req", "-in", "request", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
             "-CAcreateserial", "-days", days, "-extfile", "extensions", "-out", "issued")  # fmt: skip
    parts = ("key.pem", "issued", f"{authority}.pem")
    (folder / f"{name}.pem").write_text("".join((folder / part).read_text() for part in parts))


def _openssl(folder: Path, *arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout
