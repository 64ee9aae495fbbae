"""Lambda's side of Invoke, without I/O: which requests it rejects, with which messages, and how responses look.

The local endpoint, the in-process transport and the stub all respond from here, as AWS would.
"""
