"""The policy that allows the parent to call its child, and nothing else: printed, evaluated by moto, and compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from moto.iam.access_control import IAMPolicy, PermissionResult

HERE = Path(__file__).parent
SYSTEM = HERE.parent / "parent_child"
CHILD = "arn:aws:lambda:eu-west-1:123456789012:function:ChildFunction"
QUESTIONS = {
    "calling ChildFunction": ("lambda:InvokeFunction", CHILD),
    "calling ChildFunction:live": ("lambda:InvokeFunction", f"{CHILD}:live"),
    "calling ReportFunction": ("lambda:InvokeFunction", CHILD.replace("ChildFunction", "ReportFunction")),
    "deleting ChildFunction": ("lambda:DeleteFunction", CHILD),
}


def lambdachain(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a shell would."""
    command = [sys.executable, "-c", "from lambdachain.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)  # noqa: S603 - our own


def policy() -> str:
    """Return the policy of the parent's role, as the command prints it."""
    place = ["--account-id", "123456789012", "--region", "eu-west-1"]
    return lambdachain("policy", str(SYSTEM), "--caller", "ParentFunction", *place).stdout


def is_allowed(document: str, action: str, resource: str) -> bool:
    return (
        IAMPolicy(json.dumps(json.loads(document))).is_action_permitted(action, resource) is PermissionResult.PERMITTED
    )


def main() -> None:
    document = policy()
    print(document, end="")
    for question, (action, resource) in QUESTIONS.items():
        print(f"{question}: {'allowed' if is_allowed(document, action, resource) else 'denied'}")
    print(lambdachain("policy", str(SYSTEM), "--check", "template.yaml").stderr, end="")


if __name__ == "__main__":
    main()
