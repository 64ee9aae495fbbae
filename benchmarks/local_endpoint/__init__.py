"""What the local endpoint costs, compared with the bare runtime client and AWS's own emulator."""
