"""What the local endpoint costs: beside the bare runtime client, and beside AWS's own emulator."""
