"""`speedmon metrics`: the stored runs as metrics for Prometheus, as text or in a file for node_exporter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_source

if TYPE_CHECKING:
    from monitor.config.settings import Settings


@click.command("metrics")
@click.option(
    "--textfile",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write them to this file, for the textfile collector of node_exporter: its name must end in .prom.",
)
@pass_source
def command(settings: Settings, file: Path | None, probes: tuple[str, ...]) -> None:
    """Print the stored runs as metrics for Prometheus. `serve` has the same at /metrics.

    After a test that failed, the rates are absent.
    """
    from datetime import UTC, datetime

    from monitor.prometheus.collector import StoreCollector, render_metrics
    from monitor.system import files

    text = render_metrics(StoreCollector(settings, lambda: datetime.now(UTC), probes))
    if file is None:
        click.echo(text, nl=False)
    else:
        files.write_file(file, text)
