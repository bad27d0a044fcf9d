"""The way of an invocation from a caller to its outcome."""
