"""Analyze source code and contracts without running them: call graphs, permissions, compatibility, and the doctor."""
