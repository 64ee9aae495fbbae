"""One call: prepared, sent with retries, classified, its answer decoded. Decisions here are pure functions."""
