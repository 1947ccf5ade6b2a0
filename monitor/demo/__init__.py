"""`speedmon demo`: the scenario, and playing it in the lab.

May import: model, output, errors, netns.lab, netns.apply.
"""
