"""Many calls at once, blocking and async: a scheduler, an adaptive concurrency limit, executors, and result order."""
