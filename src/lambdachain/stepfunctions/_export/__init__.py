"""Export a state machine with its role: as a definition, a policy, or for a deployment tool."""
