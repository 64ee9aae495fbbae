"""Read what SAM's connectors, ``AWS::Serverless::Connector`` and those embedded in a function, grant to roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from lambdachain._analysis.permissions.compare_grants import Grant
from lambdachain._analysis.permissions.required_permissions import SEND_ACTION
from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Diagnostic, TemplateError, UnresolvedValue
from .document import Path
from .properties import FUNCTION_TYPES, find_referenced_id, logical_ids, property_path, resource_type
from .sam_resources import generated_role
from .template import Template

# What ``Write`` to a function allows.
_ACTIONS: Final = ("lambda:InvokeAsync", "lambda:InvokeFunction")


class ConnectorReader:
    """Reads the connectors of a template.

    Args:
        template: The template.
        diagnostics: Where to report what cannot be decided.
        is_role: Checks whether a reference, which is at a path of the template, means a role.
    """

    def __init__(
        self, template: Template, diagnostics: list[Diagnostic], is_role: Callable[[Any, Path, str], bool]
    ) -> None:
        self._document = template.document
        self._values = template.values
        self._diagnostics = diagnostics
        self._is_role = is_role

    def read(self, role: str) -> Iterator[Grant]:
        """Yield what connectors grant *role*, a logical id."""
        for path, source in self._list_connectors():
            try:
                if self._starts_at(source, path, role) and self._is_deployed(str(path[1])):
                    yield from self._read_connector((*path, "Properties"), path)
            except TemplateError as exc:
                self._diagnostics.append(exc.to_diagnostic(fatal=False))

    def _is_deployed(self, logical_id: str) -> bool:
        try:
            return self._values.is_deployed(logical_id)
        except TemplateError as exc:
            # As for policies: reported, and read as if the condition were true.
            self._diagnostics.append(exc.to_diagnostic(fatal=False))
            return True

    def _list_connectors(self) -> Iterator[tuple[Path, Any]]:
        """Yield the path and the source of each connector; the source of an embedded one is its function."""
        for logical_id in logical_ids(self._document, *FUNCTION_TYPES):
            own: Path = ("Resources", logical_id, "Connectors")
            connectors = self._document.get(*own)
            if isinstance(connectors, UnresolvedValue):
                self._diagnostics.append(connectors.to_error().to_diagnostic(fatal=False))
            for name in connectors if is_mapping(connectors) else ():
                yield (*own, name), {"Id": logical_id}
        for logical_id in logical_ids(self._document, "AWS::Serverless::Connector"):
            yield ("Resources", logical_id), self._document.get(*property_path(logical_id, "Source"))

    def _starts_at(self, source: Any, path: Path, role: str) -> bool:
        """Check whether the source of a connector has *role*: SAM attaches the connector's policy to that."""
        if not is_mapping(source):
            return False
        if (name := source.get("RoleName")) is not None:
            return self._is_role(name, (*path, "Properties", "Source", "RoleName"), role)
        logical_id = source.get("Id")
        if resource_type(self._document, str(logical_id)) not in FUNCTION_TYPES:
            return False
        own, _ = self._values.locate(*property_path(str(logical_id), "Role"))
        return role == (generated_role(str(logical_id)) if own is None else find_referenced_id(own))

    def _read_connector(self, path: Path, origin: Path) -> Iterator[Grant]:
        permissions = self._values.get(*path, "Permissions")
        if not is_list(permissions) or "Write" not in permissions:
            return
        destinations, place = self._values.follow(*path, "Destination")
        # A connector has one destination, or a list of them.
        each = destinations if is_list(destinations) else [destinations]
        position = self._document.location(*origin).file_and_line
        for index, destination in enumerate(each):
            at = (*place, index) if is_list(destinations) else place
            if not is_mapping(destination):
                continue
            if (arn := self._get_function_arn(destination, at)) is not None:
                yield Grant(_ACTIONS, arn, position, "connector")
            elif "AWS::SQS::Queue" in (
                resource_type(self._document, str(destination.get("Id"))),
                destination.get("Type"),
            ):
                # Which queue is not read: no grant of a queue is reported as unused.
                yield Grant((SEND_ACTION,), "*", position, "connector", is_unknown=True)

    def _get_function_arn(self, destination: Mapping[str, Any], path: Path) -> str | None:
        """Return the ARN of a connector's destination; ``None`` if it is not a function but a table, for example."""
        target = destination.get("Id")
        if target is not None:
            is_function = resource_type(self._document, str(target)) in FUNCTION_TYPES
            return self._values.function_arn(str(target)) if is_function else None
        # A function that is not in this template.
        is_function = destination.get("Type") in FUNCTION_TYPES and "Arn" in destination
        return str(self._values.resolve(destination["Arn"], (*path, "Arn"))) if is_function else None
