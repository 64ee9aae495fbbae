"""The way over botocore: its sessions, hooks, proxies and instrumentations; its retries are off."""
