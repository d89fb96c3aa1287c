"""Benchmarks: one file a question; each prints a table, or one JSON object with --json."""
