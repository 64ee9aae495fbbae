"""A map on Step Functions: upload the items, start a distributed map or find it, follow it, and read its results.

- ``items``: the payloads as one object in S3, named by its content.
- ``machine``: the state machine and the names, all of which follow from what is to be run.
- ``service``: every request to Step Functions and S3.
- ``results``: the files that the map leaves in S3, merged to one outcome for each item.
- ``outcomes``: the outcome of an item as a response or an error.
- ``run``: those steps in their order. ``run_map`` is what users call.
"""
