"""Benchmarks: the numbers that SPECIFICATION.md promises, each beside a rival in the same run."""
