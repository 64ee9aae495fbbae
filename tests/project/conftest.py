"""What is collected from this folder."""

# A project of its own, which test_new_user.py copies and runs.
collect_ignore = ["new_user"]
