"""The call graph of a survey: functions and their calls, warnings, and output formats."""
