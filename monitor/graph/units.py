"""The unit that suits rates (SI, bit/s). Pure."""

from __future__ import annotations

RATE_UNITS = ((2e9, 1e9, "Gbit/s"), (1e6, 1e6, "Mbit/s"), (0.0, 1e3, "kbit/s"))


def rate_unit(highest: float) -> tuple[float, str]:
    """Return the divisor and the unit that suit rates up to `highest` bit/s."""
    return next((divisor, unit) for least, divisor, unit in RATE_UNITS if highest >= least)
