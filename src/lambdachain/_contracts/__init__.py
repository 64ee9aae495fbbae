"""What both sides of a call declare: contracts, their errors, and the offload of large payloads to S3."""
