"""`speedmon usage`: the data that the tests used, month by month, against the budget."""

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
    """Show the data that the tests used, month by month, the newest first.

    What an engine did not tell is what the kernel counted during the test, else its rate times its length.
    """
    from monitor import usage, zone  # noqa: PLC0415  --help stays light
    from monitor.months import back_from  # noqa: PLC0415  the same
    from monitor.store.usage import of_months  # noqa: PLC0415  the same

    here = zone.resolve(settings.display.timezone)
    used = of_months(settings, back_from(datetime.now(UTC), here, months))
    shown = [each for number, each in enumerate(used) if each.tests or not number]
    accounts = [usage.account(each, settings.budget.month_gb) for each in shown]
    if as_json:
        import msgspec  # noqa: PLC0415  loaded with the settings already

        click.echo(msgspec.json.encode(accounts))
        return
    for line in usage.lines(accounts, here.key):
        click.echo(line)
