"""Data used by tests per month, compared with the budget: numbers, JSON and table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GB = 10**9


@dataclass(frozen=True, slots=True)
class Usage:
    """The bytes that the tests of a month transferred; `estimated_bytes` of them were not reported by an engine."""

    month: str
    tests: int
    download_bytes: int
    upload_bytes: int
    estimated_bytes: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return the sum, for the month of the first."""
        return Usage(
            self.month,
            self.tests + other.tests,
            self.download_bytes + other.download_bytes,
            self.upload_bytes + other.upload_bytes,
            self.estimated_bytes + other.estimated_bytes,
        )

    @property
    def total_bytes(self) -> int:
        """Bytes of both directions."""
        return self.download_bytes + self.upload_bytes


@dataclass(frozen=True, slots=True)
class Account:
    """A month as `usage --json` prints it; None for what cannot be computed."""

    month: str
    tests: int
    download_bytes: int
    upload_bytes: int
    total_bytes: int
    estimated_bytes: int
    bytes_per_test: int | None
    budget_bytes: int | None
    budget_used_pct: float | None


def account(usage: Usage, month_gb: float) -> Account:
    """Compare a month's usage with a budget in GB (10^9 bytes), 0 for none."""
    total, budget = usage.total_bytes, round(month_gb * GB) or None
    return Account(
        usage.month,
        usage.tests,
        usage.download_bytes,
        usage.upload_bytes,
        total,
        usage.estimated_bytes,
        round(total / usage.tests) if usage.tests else None,
        budget,
        round(100 * total / budget, 1) if budget else None,
    )


def lines(months: Iterable[Account], zone: str) -> Iterator[str]:
    """Yield caption, column titles and one line per month."""
    yield f"Months in {zone}, data in GB (10^9 bytes)."
    yield f"{'Month':7}  {'Tests':>6}  {'Down':>8}  {'Up':>8}  {'Total':>8}  {'A test':>7}  Budget"
    for month in months:
        yield _line(month).rstrip()


def _line(month: Account) -> str:
    amounts = (month.download_bytes, month.upload_bytes, month.total_bytes)
    down, up, total = (f"{amount / GB:8.2f}" for amount in amounts)
    per_test = "" if month.bytes_per_test is None else f"{month.bytes_per_test / GB:.3f}"
    return f"{month.month:7}  {month.tests:6}  {down}  {up}  {total}  {per_test:>7}  {_remarks(month)}"


def _remarks(month: Account) -> str:
    share = [] if month.budget_bytes is None else [f"{month.budget_used_pct:g} % of {month.budget_bytes / GB:g}"]
    estimated = [f"({month.estimated_bytes / GB:.2f} estimated)"] if month.estimated_bytes else []
    return "  ".join(share + estimated)
