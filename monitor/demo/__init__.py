"""`speedmon demo`: the scenario, and playing it in the lab.

May import: model, errors, netns.lab, netns.apply.
"""
