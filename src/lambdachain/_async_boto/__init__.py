"""The way over aiobotocore, for those who need botocore's hooks in an event loop."""
