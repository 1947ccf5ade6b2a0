"""The sections of a report, one a module: each takes the evidence and yields blocks. Change the wording here."""
