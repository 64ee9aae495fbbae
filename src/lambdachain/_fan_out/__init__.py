"""Many concurrent calls, blocking and async: a scheduler, an adaptive concurrency limit, executors, result order."""
