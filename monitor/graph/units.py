"""The unit in which rates are shown (SI prefixes, bit/s). Pure."""

from __future__ import annotations

RATE_UNITS = ((2e9, 1e9, "Gbit/s"), (1e6, 1e6, "Mbit/s"), (0.0, 1e3, "kbit/s"))


def rate_unit(highest: float) -> tuple[float, str]:
    """Return divisor and unit for rates up to `highest` bit/s."""
    return next((divisor, unit) for least, divisor, unit in RATE_UNITS if highest >= least)
