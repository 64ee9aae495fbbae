"""Transports over botocore and aiobotocore: their sessions, events, proxies and instrumentation; their retries are off."""
