"""speedmon: collect, keep and draw the history of one internet line."""

__version__ = "0.1.0"
