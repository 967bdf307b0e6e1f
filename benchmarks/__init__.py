"""Measurements of bulkload on loopback: `python -m benchmarks --help`."""
