"""What starts an invocation besides a caller."""
