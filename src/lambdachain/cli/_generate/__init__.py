"""``lambdachain generate`` and ``lambdachain schema --as typescript``: contracts as code, from their schemas.

``sources`` reads schemas of each kind into ``ContractSource``; ``definitions`` merges their types under distinct names.
From those, ``python_module`` writes a contract module (``python_types`` has the types that JSON Schema cannot express,
``models`` runs datamodel-code-generator), and ``typescript`` a TypeScript module. ``generated_file`` writes files, and
knows which ones were changed by hand.
"""
