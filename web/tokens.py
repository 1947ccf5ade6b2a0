"""Tokens for the page and the API: random, kept as digests in a file of the state directory.

A token has 256 random bits, so a plain SHA-256 of it can be neither guessed nor reversed. A slow hash such as Argon2 is
for passwords that people choose; here it would only make each request slow.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  annotations are read at run time
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from monitor.config.paths import state_dir
from monitor.errors import OutputError, StateFileError, UsageError
from monitor.system import files, state_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


TOKENS_FILE = "tokens.json"

# So that a token is recognised where it should not be, such as in a repository.
PREFIX = "spm_"

RANDOM_BYTES = 32

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

LIMIT_BYTES = 256 * 1024

MAX_TOKENS = 500


class Role(StrEnum):
    """What a visitor may do: read, or also act."""

    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: `digest` is the SHA-256 of it, in hexadecimal digits."""

    name: str
    role: Role
    digest: str
    created_at: datetime


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a token in hexadecimal digits."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def make_token(name: str, role: Role, now: datetime) -> tuple[str, Token]:
    """Return a new token as its holder gets it, and as it is kept.

    Raises:
        UsageError: the name has other characters than those of a file name, or is too long.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a token: use up to 64 letters, digits, dots, - and _")
    secret = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    return secret, Token(name, role, digest_of(secret), now)


def find_token(tokens: Iterable[Token], secret: str) -> Token | None:
    """Return the token that a visitor has; None if it is none of these."""
    digest = digest_of(secret)
    matching = [token for token in tokens if hmac.compare_digest(token.digest, digest)]
    return matching[0] if matching else None


def tokens_file(environ: Mapping[str, str], uid: int) -> Path:
    """Return the file of the tokens."""
    return state_dir(environ, uid) / TOKENS_FILE


def read_tokens(file: Path) -> tuple[Token, ...]:
    """Return the tokens of a file; none if there is no file.

    Raises:
        StateFileError: it is damaged, or not a file that speedmon may have written.
    """
    try:
        return msgspec.json.decode(state_files.read_file(file, LIMIT_BYTES), type=tuple[Token, ...])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StateFileError(f"{file}: cannot be read: {error.strerror}: run as its owner, or as root") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateFileError(f"{file}: is damaged: remove it, and make new tokens") from error


def write_tokens(file: Path, tokens: Iterable[Token]) -> None:
    """Replace the file of the tokens.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        if not file.parent.exists():
            files.make_folder(file.parent, 0o750)
        files.replace_file(file, msgspec.json.encode(tuple(tokens)))
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}: run as its owner, or as root") from error


def add_token(file: Path, name: str, role: Role, now: datetime) -> str:
    """Make a token and keep it; return it as its holder gets it.

    Raises:
        UsageError: the name is taken or cannot be used, or there are too many.
        StateFileError, OutputError: the file cannot be read or written.
    """
    tokens = read_tokens(file)
    if any(token.name == name for token in tokens):
        raise UsageError(f"there is a token {name!r} already: remove it first, or choose another name")
    if len(tokens) >= MAX_TOKENS:
        raise UsageError(f"there are {MAX_TOKENS} tokens already: remove some")
    secret, token = make_token(name, role, now)
    write_tokens(file, (*tokens, token))
    return secret


def remove_token(file: Path, name: str) -> None:
    """Remove a token; whoever has it is logged out.

    Raises:
        UsageError: there is no token of that name.
        StateFileError, OutputError: the file cannot be read or written.
    """
    tokens = read_tokens(file)
    left = tuple(token for token in tokens if token.name != name)
    if left == tokens:
        raise UsageError(f"there is no token {name!r}: `speedmon token list` shows them")
    write_tokens(file, left)
