"""Transports over botocore and aiobotocore: their sessions, events, proxies and instrumentation; not their retries."""
