"""What starts an invocation besides a caller: queues, and the mappings that poll them."""
