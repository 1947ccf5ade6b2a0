"""The text of each section of a report: takes the evidence, yields blocks. Change the wording here."""
