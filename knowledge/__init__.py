"""Nouns: what we know and where it is kept."""
