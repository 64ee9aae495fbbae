"""Read what a template grants its functions: the statements of their roles, resolved one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from lambdachain._analysis.permissions.compare_grants import Grant, concerns_calls
from lambdachain._analysis.permissions.required_permissions import ACTION
from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Diagnostic, TemplateError, UnresolvedValue
from .document import Path
from .intrinsics import NO_VALUE
from .properties import FUNCTION_TYPES, SAM_FUNCTION, find_referenced_id, is_intrinsic, logical_ids, resource_type
from .sam_resources import generated_role
from .template import Template

# The managed policies of AWS that allow calls of functions, and the action that they allow.
_MANAGED: Final[Mapping[str, str]] = {
    "AWSLambdaRole": ACTION,
    "AWSLambda_FullAccess": "lambda:*",
    "AWSLambdaFullAccess": "lambda:*",
    "AdministratorAccess": "*",
    "PowerUserAccess": "*",
}
# Managed policies that are attached to most functions and allow no calls; any other is reported as unknown.
_WITHOUT_CALLS: Final = (
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


class PolicyReader:
    """Reads what the roles of a template's functions grant, and collects what cannot be decided here.

    Args:
        template: The template.
    """

    def __init__(self, template: Template) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._document = template.document
        self._values = template.values
        self._roles: dict[str, tuple[Grant, ...]] = {}

    def read_function(self, logical_id: str) -> Iterator[Grant]:
        """Yield what a function is granted."""
        own = ("Resources", logical_id, "Properties")
        role, path = self._locate((*own, "Role"))
        if role is not None:
            # SAM ignores Policies where a Role is set.
            yield from self._read_role(role, path)
            return
        # SAM makes a role of the function's own policies, and the connectors add to that.
        yield from self._read_policies((*own, "Policies"))
        yield from self._read_connectors(logical_id)
        # Policies that are resources may name that role, by the logical id that SAM gives it.
        yield from self._read_attached(f"{logical_id}Role")

    def _locate(self, path: Path) -> tuple[Any, Path]:
        """Return what is at *path* with its conditions decided; one that cannot be is reported, as nothing."""
        try:
            return self._values.locate(*path)
        except TemplateError as exc:
            self.diagnostics.append(exc.to_diagnostic(fatal=False))
            return None, path

    def _items(self, path: Path) -> Iterator[tuple[Any, Path]]:
        """Yield the items of a list, or what stands in its place."""
        tree, path = self._locate(path)
        if isinstance(tree, UnresolvedValue):
            self.diagnostics.append(Diagnostic(tree.location, tree.text, fatal=False))
        elif is_list(tree):
            chosen = (self._choose(item, (*path, index)) for index, item in enumerate(tree))
            yield from ((item, place) for item, place in chosen if item is not None)
        elif tree is not None:
            yield tree, path

    def _choose(self, tree: Any, path: Path) -> tuple[Any, Path]:
        try:
            return self._values.choose(tree, path)
        except TemplateError as exc:
            self.diagnostics.append(exc.to_diagnostic(fatal=False))
            return None, path

    def _read_statements(self, path: Path) -> Iterator[Grant]:
        for statement, place in self._items(path):
            if is_mapping(statement) or isinstance(statement, UnresolvedValue):
                yield from self._report_errors(self._read_statement, statement, place)

    def _read_attached(self, role: str) -> Iterator[Grant]:
        """Yield what policies that are resources of their own grant a role of the template."""
        for logical_id in logical_ids(self._document, "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            path = ("Resources", logical_id, "Properties")
            if any(self._is_role(one, place, role) for one, place in self._items((*path, "Roles"))) and (
                self._is_deployed(logical_id)
            ):
                yield from self._read_statements((*path, "PolicyDocument", "Statement"))
        # The same for one role, which CloudFormation added later.
        for logical_id in logical_ids(self._document, "AWS::IAM::RolePolicy"):
            path = ("Resources", logical_id, "Properties")
            name = self._document.get(*path, "RoleName")
            if self._is_role(name, (*path, "RoleName"), role) and self._is_deployed(logical_id):
                yield from self._read_statements((*path, "PolicyDocument", "Statement"))

    def _is_role(self, tree: Any, path: Path, role: str) -> bool:
        """Check whether a policy's reference to a role, by its logical id or its name, means *role*."""
        referenced = find_referenced_id(tree)
        if role in (referenced, tree):
            return True
        if tree is None or (referenced is not None and self._document.get("Parameters", referenced) is None):
            return False  # a reference to another role
        try:
            return bool(self._values.resolve(tree, path) == self._values.resource_name(role))
        except TemplateError as exc:
            # Most policies are about tables and queues, and whose they are need not be known.
            if self._may_concern_calls(path):
                self.diagnostics.append(exc.to_diagnostic(fatal=False))
            return False

    def _may_concern_calls(self, path: Path) -> bool:
        """Check whether the policy that *path* is in mentions actions of Lambda, or all actions."""
        text = str(self._document.get(*path[:3], "PolicyDocument")).lower()
        return "lambda:" in text or "'*'" in text

    def _is_deployed(self, logical_id: str) -> bool:
        try:
            return self._values.is_deployed(logical_id)
        except TemplateError as exc:
            self.diagnostics.append(exc.to_diagnostic(fatal=False))
            return True

    def _read_role(self, role: Any, path: Path) -> Iterator[Grant]:
        if isinstance(role, UnresolvedValue):
            self.diagnostics.append(Diagnostic(role.location, role.text, fatal=False))
            return
        logical_id = find_referenced_id(role)
        if logical_id is None or resource_type(self._document, logical_id) != "AWS::IAM::Role":
            self._report(path, "the role is not in this template: its permissions are unknown")
            return
        function = logical_id.removesuffix("Role")
        if self._has_generated_role(function) and generated_role(function) == logical_id:
            # The role that SAM generates for another function.
            yield from self.read_function(function)
            return
        if logical_id not in self._roles:
            # Functions of one service share a role.
            self._roles[logical_id] = tuple(self._read_role_resource(logical_id))
        yield from self._roles[logical_id]

    def _has_generated_role(self, function: str) -> bool:
        """Check whether SAM makes the function's role; one that has a Role may name it as SAM would."""
        is_function = resource_type(self._document, function) == SAM_FUNCTION
        return is_function and self._document.get("Resources", function, "Properties", "Role") is None

    def _read_role_resource(self, logical_id: str) -> Iterator[Grant]:
        own = ("Resources", logical_id, "Properties")
        for policy, path in self._items((*own, "Policies")):
            if is_mapping(policy):
                yield from self._read_statements((*path, "PolicyDocument", "Statement"))
        for arn, path in self._items((*own, "ManagedPolicyArns")):
            yield from self._read_managed_policy(arn, path)
        yield from self._read_attached(logical_id)

    def _read_policies(self, path: Path) -> Iterator[Grant]:
        for policy, place in self._items(path):
            yield from self._report_errors(self._read_policy, policy, place)

    def _read_policy(self, policy: Any, path: Path) -> Iterator[Grant]:
        """Read one of SAM's policies: a document, a policy template, or the name of a managed policy."""
        if is_mapping(policy) and "Statement" in policy:
            yield from self._read_statements((*path, "Statement"))
        elif is_mapping(policy) and _SAM_INVOKE in policy:
            yield from self._read_sam_template(policy[_SAM_INVOKE], (*path, _SAM_INVOKE))
        elif isinstance(policy, str) or (is_mapping(policy) and is_intrinsic(policy)):
            yield from self._read_managed_policy(policy, path)

    def _read_sam_template(self, policy: Any, path: Path) -> Iterator[Grant]:
        """Read SAM's policy template for calls, which appends a wildcard to the function's name."""
        if not is_mapping(policy):
            raise TemplateError(self._document.location(*path), "does not have the form that SAM reads")
        name = self._values.resolve(policy.get("FunctionName"), (*path, "FunctionName"))
        # SAM's own template ends so: the name may be followed by a qualifier, or by more of a name.
        resource = f"{self._values.aws_location.arn('x')}".removesuffix("x") + f"{name}*"
        yield Grant((ACTION,), resource, self._position(path), _SAM_INVOKE)

    def _read_connectors(self, logical_id: str) -> Iterator[Grant]:
        """Read SAM's connectors from a function to others, its own and those that are resources themselves."""
        own = ("Resources", logical_id, "Connectors")
        connectors = self._document.get(*own)
        for name in connectors if is_mapping(connectors) else ():
            yield from self._report_errors(self._read_connector, connectors[name], (*own, name))
        for name in logical_ids(self._document, "AWS::Serverless::Connector"):
            path = ("Resources", name)
            if self._document.get(*path, "Properties", "Source", "Id") == logical_id and self._is_deployed(name):
                yield from self._report_errors(self._read_connector, self._document.get(*path), path)

    def _read_connector(self, connector: Any, path: Path) -> Iterator[Grant]:
        """Read a connector; ``Write`` to a function allows calls of its unqualified ARN."""
        properties = connector.get("Properties") if is_mapping(connector) else None
        if not is_mapping(properties):
            return
        if "Write" not in (properties.get("Permissions") or ()):
            return
        destinations = properties.get("Destination")
        place = (*path, "Properties", "Destination")
        for index, one in enumerate(destinations if is_list(destinations) else [destinations]):
            if is_mapping(one):
                arn = self._get_function_arn(one, (*place, index) if is_list(destinations) else place)
                yield from () if arn is None else (Grant((ACTION,), arn, self._position(path), "connector"),)

    def _get_function_arn(self, destination: Mapping[str, Any], path: Path) -> str | None:
        """Return the ARN of a connector's destination; ``None`` if it is not a function but a table, for example."""
        target = destination.get("Id")
        if target is not None:
            is_function = resource_type(self._document, str(target)) in FUNCTION_TYPES
            return str(self._values.aws_location.arn(self._values.resource_name(str(target)))) if is_function else None
        # A function that is not in this template.
        is_function = destination.get("Type") in FUNCTION_TYPES and "Arn" in destination
        return str(self._values.resolve(destination["Arn"], (*path, "Arn"))) if is_function else None

    def _read_managed_policy(self, policy: Any, path: Path) -> Iterator[Grant]:
        referenced = find_referenced_id(policy)
        if referenced is not None and resource_type(self._document, referenced) == "AWS::IAM::ManagedPolicy":
            yield from self._read_statements(("Resources", referenced, "Properties", "PolicyDocument", "Statement"))
            return
        try:
            # An ARN, or the name alone, which SAM accepts too.
            name = str(self._values.resolve(policy, path)).rsplit("/", 1)[-1]
        except TemplateError as exc:
            self.diagnostics.append(exc.to_diagnostic(fatal=False))
            return
        if name in _MANAGED:
            yield Grant((_MANAGED[name],), "*", self._position(path), name)
        elif name not in _WITHOUT_CALLS:
            self._report(path, f"the permissions of the managed policy {name} are unknown here")

    def _read_statement(self, statement: Any, path: Path) -> Iterator[Grant]:
        if isinstance(statement, UnresolvedValue) or is_intrinsic(statement):
            whole = self._values.resolve(statement, path)
            # An AWS::NoValue, which removes the statement, is not a mapping.
            if is_mapping(whole):
                yield from self._read_statement(whole, path)
            return
        # The resources come last and one by one: most are tables and queues whose ARNs need not be known.
        known = {key: self._values.resolve(statement[key], (*path, key)) for key in statement if key != "Resource"}
        actions = _to_actions(known.get("Action"))
        if "NotAction" in known or "NotResource" in statement:
            self._report(path, "NotAction and NotResource are not supported: list the actions and resources instead")
            return
        if "Condition" in known and concerns_calls(actions):
            self._report(path, "applies under a condition only: treated as if it always applied")
        resources = statement.get("Resource")
        for index, resource in enumerate(resources if is_list(resources) else [resources]):
            place = (*path, "Resource", index) if is_list(resources) else (*path, "Resource")
            try:
                resolved = self._values.resolve(resource, place)
            except TemplateError as exc:
                if concerns_calls(actions):
                    self.diagnostics.append(exc.to_diagnostic(fatal=False))
                continue
            if resolved is not NO_VALUE:
                allows = known.get("Effect") != "Deny"
                yield Grant(actions, str(resolved), self._position(place), allows=allows)

    def _report_errors(self, read: Callable[[Any, Path], Iterator[Grant]], tree: Any, path: Path) -> Iterator[Grant]:
        """Yield what *read* yields; an error is reported and leaves the grants before it."""
        try:
            yield from read(tree, path)
        except TemplateError as exc:
            self.diagnostics.append(exc.to_diagnostic(fatal=False))

    def _position(self, path: Path) -> str:
        return self._document.location(*path).file_and_line

    def _report(self, path: Path, text: str) -> None:
        self.diagnostics.append(Diagnostic(self._document.location(*path), text, fatal=False))


def _to_actions(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if is_list(value) else () if value is None else (str(value),)
