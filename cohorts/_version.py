"""The version of the distribution; every run records it."""

__version__ = "0.1.0"
