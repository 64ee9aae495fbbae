"""What both sides of a call declare: contracts, declared errors, payloads in S3."""
