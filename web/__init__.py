"""The web page, its JSON API and the daemon that serves both."""
