"""What a template grants the functions in it: the statements of their roles, worked out one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambdachain._analysis.permissions.compare_grants import Grant, concerns_calls
from lambdachain._analysis.permissions.required_permissions import ACTION
from lambdachain._core.type_guards import is_list, is_mapping

from .document import Path
from .intrinsics import NO_VALUE, Resolver
from .problem import Diagnostic, TemplateError

# AWS's own policies that allow calls; of all others whose names begin so, none does.
_MANAGED: Final[Mapping[str, str]] = {
    "AWSLambdaRole": ACTION,
    "AWSLambda_FullAccess": "lambda:*",
    "AWSLambdaFullAccess": "lambda:*",
    "AdministratorAccess": "*",
    "PowerUserAccess": "*",
}
_HARMLESS: Final = (
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaKinesisExecutionRole",
    "AWSLambdaMSKExecutionRole",
    "AWSXRayDaemonWriteAccess",
    "AWSXrayWriteOnlyAccess",
    "CloudWatchLambdaInsightsExecutionRolePolicy",
)
_SAM_INVOKE: Final = "LambdaInvokePolicy"


class Policies:
    """Reads the statements that a function's role has, and keeps what cannot be told.

    Args:
        resolver: What works out the template's values.
    """

    def __init__(self, resolver: Resolver) -> None:
        self.problems: list[Diagnostic] = []
        self._resolver = resolver
        self._template = resolver.template

    def of_function(self, logical_id: str) -> Iterator[Grant]:
        """Yield what a function of a SAM or CloudFormation template is granted."""
        own = ("Resources", logical_id, "Properties")
        role = self._template.get(*own, "Role")
        if role is not None:
            yield from self._of_role(role, (*own, "Role"))
            return
        yield from self._listed((*own, "Policies"))
        yield from self._connected(logical_id)

    def statements(self, path: Path) -> Iterator[Grant]:
        """Yield what the statements at *path* grant."""
        yield from self._statements(self._template.get(*path), path)

    def _statements(self, tree: Any, path: Path) -> Iterator[Grant]:
        several = tree if is_list(tree) else [tree]
        for index, statement in enumerate(several):
            place = (*path, index) if is_list(tree) else path
            if is_mapping(statement):
                yield from self._guarded(self._statement, statement, place)

    def attached(self, role: str) -> Iterator[Grant]:
        """Yield what policies of their own grant a role of the template."""
        resources = self._template.get("Resources")
        for name in resources if is_mapping(resources) else ():
            if self._template.get("Resources", name, "Type") in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
                path = ("Resources", name, "Properties")
                roles = self._template.get(*path, "Roles")
                if any(_names(one, role) for one in (roles if is_list(roles) else ())):
                    yield from self.statements((*path, "PolicyDocument", "Statement"))

    def _of_role(self, role: Any, path: Path) -> Iterator[Grant]:
        logical_id = _referred(role)
        if logical_id is None or self._template.get("Resources", logical_id, "Type") != "AWS::IAM::Role":
            self._untold(path, "the role is not in this template: what it grants cannot be told")
            return
        own = ("Resources", logical_id, "Properties")
        inline = self._template.get(*own, "Policies")
        for index in range(len(inline) if is_list(inline) else 0):
            yield from self.statements((*own, "Policies", index, "PolicyDocument", "Statement"))
        managed = self._template.get(*own, "ManagedPolicyArns")
        for index, arn in enumerate(managed if is_list(managed) else ()):
            yield from self._managed(arn, (*own, "ManagedPolicyArns", index))
        yield from self.attached(logical_id)

    def _listed(self, path: Path) -> Iterator[Grant]:
        tree = self._template.get(*path)
        for index, policy in enumerate(tree if is_list(tree) else [] if tree is None else [tree]):
            place = (*path, index) if is_list(tree) else path
            yield from self._guarded(self._policy, policy, place)

    def _policy(self, policy: Any, path: Path) -> Iterator[Grant]:
        """One of SAM's policies: a document, a policy template, or the name of a managed policy."""
        if is_mapping(policy) and next(iter(policy), "") in ("Fn::If", "If"):
            policy = self._resolver.value(policy, path)
        if is_mapping(policy) and "Statement" in policy:
            yield from self._statements(policy["Statement"], (*path, "Statement"))
        elif is_mapping(policy) and _SAM_INVOKE in policy:
            yield from self._of_sam(policy[_SAM_INVOKE], (*path, _SAM_INVOKE))
        elif isinstance(policy, str) or (is_mapping(policy) and _is_intrinsic(policy)):
            yield from self._managed(policy, path)

    def _of_sam(self, policy: Any, path: Path) -> Iterator[Grant]:
        """SAM's policy template for calls: it puts a wildcard behind the name."""
        if not is_mapping(policy):
            raise TemplateError(self._template.spot(*path), "is not of the form that SAM reads")
        name = self._resolver.value(policy.get("FunctionName"), (*path, "FunctionName"))
        resource = f"{self._resolver.place.arn('x')}".removesuffix("x") + f"{name}*"
        yield Grant((ACTION,), resource, self._spot(path), _SAM_INVOKE)

    def _connected(self, logical_id: str) -> Iterator[Grant]:
        """SAM's connectors: ``Write`` from a function to a function allows calls of its own address."""
        path = ("Resources", logical_id, "Connectors")
        connectors = self._template.get(*path)
        for name in connectors if is_mapping(connectors) else ():
            to = self._template.get(*path, name, "Properties", "Destination")
            permissions: Any = self._template.get(*path, name, "Properties", "Permissions") or ()
            for one in to if is_list(to) else [to]:
                target = one.get("Id") if is_mapping(one) else None
                if target and "Write" in permissions:
                    arn = str(self._resolver.place.arn(self._resolver.name_of(str(target))))
                    yield Grant((ACTION,), arn, self._spot((*path, name)), "connector")

    def _managed(self, policy: Any, path: Path) -> Iterator[Grant]:
        referred = _referred(policy)
        if referred is not None and self._template.get("Resources", referred, "Type") == "AWS::IAM::ManagedPolicy":
            yield from self.statements(("Resources", referred, "Properties", "PolicyDocument", "Statement"))
            return
        try:
            name = str(self._resolver.value(policy, path)).rsplit("/", 1)[-1]
        except TemplateError as exc:
            self.problems.append(exc.problem(fatal=False))
            return
        if name in _MANAGED:
            yield Grant((_MANAGED[name],), "*", self._spot(path), name)
        elif name not in _HARMLESS:
            self._untold(path, f"what the managed policy {name} grants is not known here")

    def _statement(self, statement: Mapping[str, Any], path: Path) -> Iterator[Grant]:
        if _is_intrinsic(statement):
            whole = self._resolver.value(statement, path)
            if is_mapping(whole):
                yield from self._statement(whole, path)
            return
        told = {key: self._resolver.value(statement[key], (*path, key)) for key in statement if key != "Resource"}
        actions = _several(told.get("Action"))
        if "NotAction" in told or "NotResource" in statement:
            self._untold(path, "NotAction and NotResource say what is left out, not what is granted: name it instead")
            return
        if "Condition" in told and concerns_calls(actions):
            self._untold(path, "it holds under a condition only: taken as if it held")
        resources = statement.get("Resource")
        for index, resource in enumerate(resources if is_list(resources) else [resources]):
            place = (*path, "Resource", index) if is_list(resources) else (*path, "Resource")
            try:
                worked_out = self._resolver.value(resource, place)
            except TemplateError as exc:
                if concerns_calls(actions):
                    self.problems.append(exc.problem(fatal=False))
                continue
            if worked_out is not NO_VALUE:
                allows = told.get("Effect") != "Deny"
                yield Grant(actions, str(worked_out), self._spot(place), allows=allows)

    def _guarded(self, read: Any, tree: Any, path: Path) -> Iterator[Grant]:
        try:
            yield from read(tree, path)
        except TemplateError as exc:
            self.problems.append(exc.problem(fatal=False))

    def _spot(self, path: Path) -> str:
        return self._template.spot(*path).place

    def _untold(self, path: Path, text: str) -> None:
        self.problems.append(Diagnostic(self._template.spot(*path), text, fatal=False))


def _several(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if is_list(value) else () if value is None else (str(value),)


def _is_intrinsic(tree: Mapping[str, Any]) -> bool:
    return len(tree) == 1 and next(iter(tree)).startswith(("Ref", "Fn::"))


def _referred(tree: Any) -> str | None:
    """Return the resource that ``Ref`` or ``Fn::GetAtt`` names."""
    if not is_mapping(tree):
        return None
    if "Ref" in tree:
        return str(tree["Ref"])
    attribute = tree.get("Fn::GetAtt")
    if is_list(attribute):
        return str(attribute[0]) if attribute else None
    return str(attribute).split(".", 1)[0] if isinstance(attribute, str) else None


def _names(tree: Any, role: str) -> bool:
    return _referred(tree) == role or tree == role
