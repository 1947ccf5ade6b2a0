"""The data of a report as CSV, in the columns of `speedmon export`, hashed while it is written."""

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
    """Write runs to an open file; return the name that it will have, its hash and its number of runs.

    Raises:
        OSError: the file cannot be written.
    """
    digest, lines = hashlib.sha256(), 0
    for line in export.csv_lines(runs):
        content = line.encode()
        digest.update(content)
        file.write(content)
        lines += 1
    return Data(name, digest.hexdigest(), lines - 1)
