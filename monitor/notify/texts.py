"""The words of messages and digests, from templates that the user can replace one by one (`notify.templates`).

A template of the user that fails does not stop a message: the built-in one is used, and the message says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, TemplateError

from monitor.output import units

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from monitor.notify.digest import Digest
    from monitor.notify.queue import NewsItem

BUILT_IN = Path(__file__).parent / "templates"

MESSAGE, DIGEST = "message", "digest"


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """A message in words; `problem` says why a template of the user was not used."""

    title: str
    text: str
    html: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class TextContext:
    """What all texts depend on: the time zone, the address of the page, the folder of the user's templates."""

    zone: ZoneInfo
    page_url: str = ""
    folder: str = ""


def render_message(items: Sequence[NewsItem], context: TextContext) -> RenderedMessage:
    """Return the message about changes of states."""
    return _render(MESSAGE, context, items=message_items(items, context))


def render_digest(digest: Digest, context: TextContext) -> RenderedMessage:
    """Return a digest."""
    return _render(DIGEST, context, digest=digest, page=context.page_url)


def message_items(items: Sequence[NewsItem], context: TextContext) -> list[dict[str, Any]]:
    """Return the items as the templates get them."""
    return [_to_item(item, context) for item in items]


def _to_item(item: NewsItem, context: TextContext) -> dict[str, Any]:
    notice = item.notice
    end = notice.ended if notice.ended is not None else notice.at
    return {
        "state": notice.alert.value,
        "change": notice.change.value,
        "probe": notice.probe,
        "path": notice.path,
        "at": datetime.fromtimestamp(notice.at, UTC),
        "began": datetime.fromtimestamp(notice.began, UTC),
        "ended": datetime.fromtimestamp(notice.ended, UTC) if notice.ended is not None else None,
        "seconds": max(0, end - notice.began),
        "tests": notice.tests,
        "evidence": notice.evidence,
        "before": notice.before,
        "after": notice.after,
        "run": notice.run_id,
        "link": f"{context.page_url}/runs/{notice.run_id}" if context.page_url and notice.run_id else "",
        "is_news": item.is_news,
    }


def _render(name: str, context: TextContext, **values: Any) -> RenderedMessage:
    if context.folder:
        try:
            return _fill(_environment(context, (Path(context.folder), BUILT_IN)), name, values)
        except (TemplateError, OSError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
            problem = f"a template in {context.folder} (notify.templates) cannot be used: {_describe(error)}"
            return _with_problem(_fill(_environment(context, (BUILT_IN,)), name, values), problem)
    return _fill(_environment(context, (BUILT_IN,)), name, values)


def _describe(error: Exception) -> str:
    name, line = getattr(error, "name", None), getattr(error, "lineno", None)
    place = f"{name}, line {line}: " if name and line else ""
    return f"{place}{error}".strip() or type(error).__name__


def _with_problem(message: RenderedMessage, problem: str) -> RenderedMessage:
    note = f"\n{problem}\n"
    escaped = problem.replace("&", "&amp;").replace("<", "&lt;")
    return RenderedMessage(message.title, message.text + note, f"{message.html}<p>{escaped}</p>\n", problem)


def _fill(environment: Environment, name: str, values: dict[str, Any]) -> RenderedMessage:
    title, text = (
        environment.get_template(f"{name}{part}").render(**values).strip() for part in ("_title.txt", ".txt")
    )
    # Templates that it includes are escaped too.
    html = environment.overlay(autoescape=True).get_template(f"{name}.html").render(**values).strip()
    return RenderedMessage(" ".join(title.split()), f"{text}\n", f"{html}\n")


def _environment(context: TextContext, folders: Sequence[Path]) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        autoescape=False,  # noqa: S701  plain text; see `_fill`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "time": lambda at: units.format_day_and_minute(at, context.zone),
        "day": lambda at: f"{units.format_day_and_minute(at, context.zone).rpartition(' ')[0]}",
        "duration": units.format_duration,
        "percent": units.format_percent,
        "signed": units.format_signed,
        "gigabytes": lambda size: f"{units.format_number(size / units.BYTES_PER_GB)} GB",
        "measured": lambda value, metric: units.format_metric(metric, value),
        "count": units.format_count,
    }
    return environment
