"""Read what a template grants its functions: the statements of their roles, resolved one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from lambdachain._analysis.permissions.compare_grants import Grant, concerns, concerns_calls
from lambdachain._analysis.permissions.required_permissions import ACTION, SEND_ACTION, QueueResource, Stack
from lambdachain._core.type_guards import is_list, is_mapping

from .connectors import ConnectorReader
from .diagnostics import Diagnostic, TemplateError, UnresolvedValue
from .document import Path
from .intrinsics import NO_VALUE
from .properties import (
    SAM_FUNCTION,
    find_referenced_id,
    is_intrinsic,
    logical_ids,
    property_path,
    resource_type,
)
from .sam_resources import generated_role
from .template import Template

# The managed policies of AWS that allow calls of functions, and the action that they allow.
MANAGED: Final[Mapping[str, str]] = {
    "AWSLambdaRole": ACTION,
    "AWSLambda_FullAccess": "lambda:*",
    "AWSLambdaFullAccess": "lambda:*",
    "AWSLambdaInvocation-DynamoDB": ACTION,
    "AmazonDynamoDBFullAccesswithDataPipeline": "lambda:*",
    "DataScientist": ACTION,
    "SystemAdministrator": ACTION,
    "AdministratorAccess": "*",
    "PowerUserAccess": "*",
}
# Managed policies that are often attached to functions and allow no calls; any other is reported as unknown.
WITHOUT_CALLS: Final = (
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaKinesisExecutionRole",
    "AWSLambdaMSKExecutionRole",
    "AWSXRayDaemonWriteAccess",
    "AWSXrayWriteOnlyAccess",
    "CloudWatchLambdaInsightsExecutionRolePolicy",
    "AWSLambdaBasicDurableExecutionRolePolicy",
    "AWSLambdaENIManagementAccess",
    "AWSLambdaExecute",
    "AWSLambda_ReadOnlyAccess",
    "AmazonAPIGatewayInvokeFullAccess",
    "AmazonAthenaFullAccess",
    "AmazonBedrockFullAccess",
    "AmazonDynamoDBFullAccess",
    "AmazonDynamoDBFullAccess_v2",
    "AmazonDynamoDBReadOnlyAccess",
    "AmazonEC2ReadOnlyAccess",
    "AmazonEventBridgeFullAccess",
    "AmazonKinesisFullAccess",
    "AmazonRDSDataFullAccess",
    "AmazonRekognitionFullAccess",
    "AmazonS3FullAccess",
    "AmazonS3ReadOnlyAccess",
    "AmazonSESFullAccess",
    "AmazonSNSFullAccess",
    "AmazonSQSFullAccess",
    "AmazonSSMManagedInstanceCore",
    "AmazonSSMReadOnlyAccess",
    "AmazonTextractFullAccess",
    "AWSStepFunctionsFullAccess",
    "CloudWatchFullAccess",
    "CloudWatchLogsFullAccess",
    "ComprehendReadOnly",
    "ReadOnlyAccess",
)
# The services that run functions, in any partition.
_LAMBDA_SERVICES: Final = ("lambda.", "edgelambda.")
_SAM_INVOKE: Final = "LambdaInvokePolicy"
_SAM_SEND: Final = "SQSSendMessagePolicy"
_QUEUE_ACCESS: Final = "AmazonSQSFullAccess"


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
        self._connectors = ConnectorReader(template, self.diagnostics, self._is_role)

    def read_function(self, logical_id: str) -> Iterator[Grant]:
        """Yield what a function is granted."""
        own = ("Resources", logical_id, "Properties")
        role, path = self._locate((*own, "Role"))
        if role is not None:
            # SAM ignores Policies where a Role is set.
            yield from self._read_role(role, path)
            return
        # SAM makes a role of the function's own policies, and adds what the destinations of its events need.
        yield from self._read_policies((*own, "Policies"))
        for outcome in ("OnSuccess", "OnFailure"):
            path = (*own, "EventInvokeConfig", "DestinationConfig", outcome)
            yield from self._report_errors(self._read_destination, None, path)
        # Policies that are resources may name that role, by the logical id that SAM gives it.
        yield from self._read_attached(generated_role(logical_id))

    def _read_destination(self, _: None, path: Path) -> Iterator[Grant]:
        if self._values.get(*path, "Type") != "Lambda":
            return
        arn = self._values.get(*path, "Destination")
        if arn is not None:
            yield Grant((ACTION,), str(arn), self._position(path), "destination of its events")

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
        yield from self._connectors.read(role)

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
            yield self._make_unknown(path)
            return
        logical_id = find_referenced_id(role)
        if logical_id is None or resource_type(self._document, logical_id) != "AWS::IAM::Role":
            self._report(path, "the role is not in this template: its permissions are unknown")
            yield self._make_unknown(path)
            return
        function = logical_id.removesuffix("Role")
        if self._is_generated(logical_id, function):
            # The role that SAM generates for another function.
            yield from self.read_function(function)
            return
        if logical_id not in self._roles:
            # Functions of one service share a role.
            is_for_others = self._is_assumed_by_others(logical_id)
            found = self._read_role_resource(logical_id)
            self._roles[logical_id] = tuple(replace(grant, is_for_others=is_for_others) for grant in found)
        yield from self._roles[logical_id]

    def _is_generated(self, role: str, function: str) -> bool:
        """Check whether SAM generates the role for *function*; a template may define one of that name itself."""
        is_named = generated_role(function) == role and resource_type(self._document, function) == SAM_FUNCTION
        return is_named and self._locate(property_path(function, "Role"))[0] is None

    def _is_assumed_by_others(self, logical_id: str) -> bool:
        """Check whether another service, or an account, may assume a role, and use what it grants."""
        path = ("Resources", logical_id, "Properties", "AssumeRolePolicyDocument", "Statement")
        for statement, place in self._items(path):
            principal = statement.get("Principal") if is_mapping(statement) else None
            for kind, written in principal.items() if is_mapping(principal) else ():
                try:
                    value = self._values.resolve(written, (*place, "Principal", kind))
                except TemplateError:
                    return True
                names = value if is_list(value) else [value]
                if kind != "Service" or not all(str(name).startswith(_LAMBDA_SERVICES) for name in names):
                    return True
        return False

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
        elif is_mapping(policy) and _SAM_SEND in policy:
            yield from self._read_queue_template(policy[_SAM_SEND], (*path, _SAM_SEND))
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

    def _read_queue_template(self, policy: Any, path: Path) -> Iterator[Grant]:
        """Read SAM's policy template for sending to a queue; a name that is unresolved may be that of any queue."""
        name: Any = None
        if is_mapping(policy):
            with suppress(TemplateError):
                name = self._values.resolve(policy.get("QueueName"), (*path, "QueueName"))
        if name is None:
            yield Grant((SEND_ACTION,), "*", self._position(path), is_unknown=True)
            return
        location = self._values.aws_location
        resource = QueueResource(str(name)).arn_for(Stack(None, location.region, location.account_id))
        yield Grant((SEND_ACTION,), resource, self._position(path), _SAM_SEND)

    def _read_managed_policy(self, policy: Any, path: Path) -> Iterator[Grant]:
        referenced = find_referenced_id(policy)
        if referenced is not None and resource_type(self._document, referenced) == "AWS::IAM::ManagedPolicy":
            yield from self._read_statements(("Resources", referenced, "Properties", "PolicyDocument", "Statement"))
            return
        try:
            # An ARN, or the name alone, which SAM accepts too.
            arn = str(self._values.resolve(policy, path))
        except TemplateError as exc:
            self.diagnostics.append(exc.to_diagnostic(fatal=False))
            yield self._make_unknown(path)
            return
        name = arn.rsplit("/", 1)[-1]
        if name in MANAGED:
            yield Grant((MANAGED[name],), "*", self._position(path), name)
        elif name == _QUEUE_ACCESS:
            yield Grant(("sqs:*",), "*", self._position(path), name)
        elif name not in WITHOUT_CALLS:
            self._report(path, f"the permissions of the managed policy {name} are unknown here")
            # Few of AWS's own allow calls; one of the account may well do.
            yield from () if ":aws:policy/" in arn or arn == name else (self._make_unknown(path),)

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
            yield from (self._make_unknown(path),) if known.get("Effect") != "Deny" else ()
            return
        if "Condition" in known:
            # Conditions of a Deny are about the exceptional: a request without TLS, from another network.
            assumed = "never" if known.get("Effect") == "Deny" else "always"
            if concerns_calls(actions):
                self._report(path, f"applies under a condition only: treated as if it {assumed} applied")
            if assumed == "never":
                return
        resources = statement.get("Resource")
        allows = known.get("Effect") != "Deny"
        for index, resource in enumerate(resources if is_list(resources) else [resources]):
            place = (*path, "Resource", index) if is_list(resources) else (*path, "Resource")
            yield from self._read_resource(resource, place, actions, allows=allows)

    def _read_resource(self, resource: Any, path: Path, actions: tuple[str, ...], *, allows: bool) -> Iterator[Grant]:
        try:
            resolved = self._values.resolve(resource, path)
        except TemplateError as exc:
            if concerns_calls(actions):
                self.diagnostics.append(exc.to_diagnostic(fatal=False))
            if allows and (concerns_calls(actions) or concerns(actions, SEND_ACTION)):
                yield replace(self._make_unknown(path), actions=actions)
            return
        if resolved is not NO_VALUE:
            yield Grant(actions, str(resolved), self._position(path), allows=allows)

    def _report_errors(self, read: Callable[[Any, Path], Iterator[Grant]], tree: Any, path: Path) -> Iterator[Grant]:
        """Yield what *read* yields; an error is reported and leaves the grants before it."""
        try:
            yield from read(tree, path)
        except TemplateError as exc:
            self.diagnostics.append(exc.to_diagnostic(fatal=False))

    def _make_unknown(self, path: Path) -> Grant:
        """Return a grant of which no more is known than that it may allow calls."""
        return Grant((ACTION, SEND_ACTION), "*", self._position(path), is_unknown=True)

    def _position(self, path: Path) -> str:
        return self._document.location(*path).file_and_line

    def _report(self, path: Path, text: str) -> None:
        self.diagnostics.append(Diagnostic(self._document.location(*path), text, fatal=False))


def _to_actions(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if is_list(value) else () if value is None else (str(value),)
