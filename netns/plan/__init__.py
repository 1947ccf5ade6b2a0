"""Pure planning: from the spec, the observed state and the journal to an ordered list of steps.

No file, no clock, no process. May import: spec, state, errors, resolver, firewall (rule data only).
"""
