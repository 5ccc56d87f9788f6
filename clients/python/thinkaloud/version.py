"""The version of the client, for the package and for the user agent."""

__version__ = "0.1.0"
