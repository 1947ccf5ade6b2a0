"""`speedmon usage`: the data used by tests, by month, and the budget."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_settings

if TYPE_CHECKING:
    from monitor.settings import Settings


@click.command(name="usage")
@click.option(
    "--months", type=click.IntRange(1, 120), metavar="N", default=12, show_default=True, help="How many to show."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, sizes in bytes.")
@pass_settings
def command(settings: Settings, months: int, as_json: bool) -> None:
    """Show the data used by tests, by month, newest first.

    Where an engine reports no byte count, the kernel's counters are used instead, or rate times duration.
    """
    from monitor import usage, zone  # noqa: PLC0415  --help stays light
    from monitor.months import back_from  # noqa: PLC0415  the same
    from monitor.store.usage import of_months  # noqa: PLC0415  the same

    here = zone.resolve(settings.display.timezone)
    used = of_months(settings, back_from(datetime.now(UTC), here, months))
    shown = [month for number, month in enumerate(used) if month.tests or not number]
    accounts = [usage.account(month, settings.budget.month_gb) for month in shown]
    if as_json:
        import msgspec  # noqa: PLC0415  loaded with the settings already

        click.echo(msgspec.json.encode(accounts))
        return
    for line in usage.lines(accounts, here.key):
        click.echo(line)
