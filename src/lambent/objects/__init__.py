"""S3: the gateway in front of a store, its notifications, the embedded SeaweedFS."""
