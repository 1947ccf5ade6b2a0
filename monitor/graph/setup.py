"""Prepares matplotlib before its first import: a lasting directory for its font list, Agg, and no log on stderr.

Does not import matplotlib itself. Every program that draws calls `prepare` once.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import paths

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping


def prepare(environ: MutableMapping[str, str], uid: int) -> None:
    """Set backend, threads and, if unset, MPLCONFIGDIR: a temporary directory if the cache cannot be used."""
    environ["MPLBACKEND"] = "agg"
    # NumPy's BLAS starts a thread for each core when it is loaded; nothing here multiplies matrices.
    environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not environ.get("MPLCONFIGDIR"):
        environ["MPLCONFIGDIR"] = str(_config_dir(environ, uid))
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _config_dir(environ: Mapping[str, str], uid: int) -> Path:
    folder = paths.cache_dir(environ, uid) / "matplotlib"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary()
    return folder if os.access(folder, os.W_OK) else _temporary()


def _temporary() -> Path:
    folder = tempfile.mkdtemp(prefix="speedmon-matplotlib-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
