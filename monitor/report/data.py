"""The data of a report as CSV, in the columns of `speedmon export`, and its hash, made while it is written."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from monitor import export
from monitor.report.document import Data

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from monitor.model import Run


def write(runs: Iterable[Run], name: str, file: BinaryIO) -> Data:
    """Write the runs to an open file; return what a report tells of it, under the name that it will have.

    Raises:
        OSError: the file cannot be written.
    """
    digest, lines = hashlib.sha256(), 0
    for line in export.csv_lines(runs):
        told = line.encode()
        digest.update(told)
        file.write(told)
        lines += 1
    return Data(name, digest.hexdigest(), lines - 1)
