"""Source code and contracts analyzed without running them: who calls whom, permissions, compatibility."""
