"""What has changed between two versions of a contract, and which callers it breaks.

Everything here is computed from the JSON Schemas of the two contracts. ``contract_changes`` combines the parts:
``schema_diff`` describes changes in words; ``compare_schemas`` decides whether what one side writes is accepted by the
other, with ``scalars`` and ``ranges`` for single values; ``advice`` has what to do.
"""
