"""Pure arithmetic on stored runs: columns, percentiles, outages, the plan. No SQL, no drawing, no wording.

May import: model, localtime, errors.
"""
