"""Isolation: processes and their limits, knowing nothing of functions."""
