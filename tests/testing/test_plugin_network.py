"""Under pytest nothing of the SDK reaches a network but this machine: not S3, not what gives credentials."""
