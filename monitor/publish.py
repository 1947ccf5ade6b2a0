"""The files that `speedmon serve` keeps up to date in a folder, and the commands that make them. Pure.

A further kind of file is a further `Item`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  FastAPI reads the annotation
from typing import TYPE_CHECKING

from monitor.errors import ConfigError
from monitor.graph.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.settings import Publish

EVERY = "all"
REPORT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Item:
    """A file to make: its description, and the arguments of `speedmon` that make it."""

    what: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """The state of a file: when it was last tried and last made, and why the last try failed, if it did."""

    what: str
    tried_at: datetime | None = None
    updated_at: datetime | None = None
    error: str | None = None


def items(settings: Publish, probes: Sequence[str] = ()) -> tuple[Item, ...]:
    """Return the files to keep up to date, in the order in which they are made.

    Args:
        settings: the section `publish`; its directory is set.
        probes: names of the probes to show; empty for all.

    Raises:
        ConfigError: an unknown kind, a size too small for a kind, or nothing to make.
    """
    kinds = list(KINDS) if EVERY in settings.kinds else list(dict.fromkeys(settings.kinds))
    if mistakes := [*_unknown(kinds), *_too_small(kinds, settings.size)]:
        raise ConfigError("; ".join(mistakes))
    probe_options = [part for probe in probes for part in ("--probe", probe)]
    commands = [*_pictures(settings, kinds), *_reports(settings)]
    if not commands:
        raise ConfigError(
            "publish.directory is set, but nothing is to go there: name publish.kinds and publish.days, or set"
            " publish.report"
        )
    return tuple(
        Item(what, (*arguments, *probe_options, "--output-dir", settings.directory, "-q"))
        for what, arguments in commands
    )


def _unknown(kinds: Sequence[str]) -> Iterator[str]:
    for kind in kinds:
        if kind not in KINDS:
            yield f"publish.kinds: there is no graph {kind!r}: choose one of {', '.join(KINDS)}, or {EVERY}"


def _too_small(kinds: Sequence[str], size: str) -> Iterator[str]:
    width, height = map(int, size.split("x")) if size else (0, 0)
    for kind in kinds:
        if size and kind in KINDS and (width < KINDS[kind].smallest[0] or height < KINDS[kind].smallest[1]):
            least = "x".join(map(str, KINDS[kind].smallest))
            yield f"publish.size: {size} is too small for {kind}, which needs at least {least}"


def _pictures(settings: Publish, kinds: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    style_options = ("--theme", settings.theme, *(("--size", settings.size) if settings.size else ()))
    for days in dict.fromkeys(settings.days):
        for kind in kinds:
            yield f"{kind}, {_span(days)}", ("graph", "--kind", kind, "--days", str(days), *style_options)


def _reports(settings: Publish) -> Iterator[tuple[str, tuple[str, ...]]]:
    if settings.report:
        yield f"report, {_span(REPORT_DAYS)}", ("report", "--days", str(REPORT_DAYS))


def _span(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"
