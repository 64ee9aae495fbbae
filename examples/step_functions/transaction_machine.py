"""The state machine, from the contracts: what is retried and caught, and which value of the field goes where."""

from __future__ import annotations

from transaction_contracts import RefundTooLate, process_purchase, process_refund

from lambdachain.stepfunctions import choice, read_error, state_machine, task

DEFINITION = state_machine(
    {
        "WhichKind": choice(
            "kind", {process_purchase: "ProcessPurchase", process_refund: "ProcessRefund"}, default="UnknownKind"
        ),
        "ProcessPurchase": task(process_purchase, function_timeout=3),
        "ProcessRefund": task(process_refund, function_timeout=3, catch={RefundTooLate: "ReadRefusal"}),
        **read_error("ReadRefusal", next="AskSupport"),
        "AskSupport": {
            "Type": "Pass",
            "Parameters": {
                "outcome": "SUPPORT",
                "transaction_id.$": "$.transaction_id",
                "refusal.$": "$.error.Fields",
            },
            "End": True,
        },
        "UnknownKind": {"Type": "Fail", "Error": "UnknownKind", "Cause": "kind is neither PURCHASE nor REFUND"},
    },
    comment="Sends a transaction to the function for its kind.",
)
