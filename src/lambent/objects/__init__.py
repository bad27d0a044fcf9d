"""S3: the gateway in front of a store, and its notifications."""
