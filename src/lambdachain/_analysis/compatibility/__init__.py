"""What has changed between two versions of a contract, and whom it breaks: pure, over the schemas of both."""
