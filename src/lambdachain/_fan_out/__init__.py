"""Many calls at once, blocking and async: at what pace, by whom, and in which order their answers are given."""
