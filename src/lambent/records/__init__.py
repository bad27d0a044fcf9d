"""What is written about an invocation: logs, meter, metrics."""
