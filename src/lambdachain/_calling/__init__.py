"""One call: prepared, sent with retries, its response classified and decoded. Decisions here are pure functions."""
