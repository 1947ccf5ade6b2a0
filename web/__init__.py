"""The web page, its JSON API and `speedmon serve`.

May import: monitor, netns.
"""
