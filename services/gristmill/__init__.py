"""Gristmill: crawled code in, training corpora out, every decision on record."""

__version__ = "0.1.0"
