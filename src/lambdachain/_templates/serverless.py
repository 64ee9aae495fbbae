"""Convert a ``serverless.yml`` to the template of the functions that the Serverless Framework would deploy.

The result is a SAM template, so that everything after this stage reads one format. Names, logical ids and defaults are
the framework's, and each function has what ``provider`` sets for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from lambdachain._analysis.permissions.required_permissions import ACTION
from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Diagnostic, TemplateError, UnresolvedValue
from .document import Document, Path
from .framework_version import get_framework_version
from .properties import SAM_FUNCTION, is_intrinsic
from .serverless_http_events import SamHttpEvents, add_http_apis, convert_http_events
from .serverless_merging import merge_listed_sections, merge_trees

_DEFAULTS: Final[Mapping[str, Any]] = {"timeout": 6, "memorySize": 1024, "runtime": "nodejs20.x"}
_RUNTIME_BEFORE_4: Final = "nodejs16.x"
_PROPERTIES: Final[Mapping[str, str]] = {
    "handler": "Handler",
    "runtime": "Runtime",
    "timeout": "Timeout",
    "memorySize": "MemorySize",
    "reservedConcurrency": "ReservedConcurrentExecutions",
}
_EVENT_PROPERTIES: Final[Mapping[str, str]] = {
    "maximumRetryAttempts": "MaximumRetryAttempts",
    "maximumEventAge": "MaximumEventAgeInSeconds",
}
# A zip file that is deployed instead of the directory, of a function, a layer, or the whole service.
_ARTIFACT: Final[Path] = ("package", "artifact")
_SECTIONS: Final = ("Parameters", "Mappings", "Conditions", "Resources", "Outputs")
# The settings for which a function publishes an alias, by the end of its logical id, and the alias's name.
_ALIASES: Final[Mapping[str, tuple[str, str]]] = {
    "provisionedConcurrency": ("ProvConc", "provisioned"),
    "snapStart": ("SnapStart", "snapstart"),
    "durableConfig": ("Durable", "durable"),
}
_SHARED_ROLE: Final = "IamRoleLambdaExecution"
# Of the two statements for logs that the framework puts first, only their places matter here.
_LOG_STATEMENT: Final[Mapping[str, Any]] = {"Effect": "Allow", "Action": [], "Resource": []}
# The second is what the first was called up to version 2 of the framework.
_SHARED_STATEMENTS: Final[tuple[Path, ...]] = (
    ("provider", "iam", "role", "statements"),
    ("provider", "iamRoleStatements"),
)
_SHARED_MANAGED_POLICIES: Final[tuple[Path, ...]] = (
    ("provider", "iam", "role", "managedPolicies"),
    ("provider", "iamManagedPolicies"),
)


def to_sam_template(document: Document) -> Document:
    """Convert a service whose variables have been replaced.

    Raises:
        TemplateError: The service's name, its stage or the list of its functions is missing or cannot be resolved.
    """
    return _Converter(document).convert()


def stack_name(document: Document) -> str:
    """Return the name of the stack that the framework deploys.

    Raises:
        TemplateError: The service has no name, or its name or stage cannot be resolved.
    """
    name = document.get("provider", "stackName")
    return name if isinstance(name, str) and name else _function_prefix(document)


def _function_prefix(document: Document) -> str:
    name = _require(document.get("service"))
    name = _require(name.get("name")) if is_mapping(name) else name
    if not name:
        raise TemplateError(
            document.location("service"), "no service: the name of every function starts with the service's name"
        )
    return f"{name}-{_require(document.get('provider', 'stage'))}"


def _require(value: Any) -> Any:
    if isinstance(value, UnresolvedValue):
        raise value.to_error()
    return value


class _Converter:
    """Collects the sections of the template, and for each part of it the path it has in the ``serverless.yml``."""

    def __init__(self, document: Document) -> None:
        self._diagnostics = list(document.diagnostics)
        self._document = merge_listed_sections(document, self._report_item)
        self._prefix = _function_prefix(document)
        self._tree: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
        self._origins: dict[Path, Path] = {}
        # Reported where routes are read only: other commands have no use for them.
        self._http_events: list[SamHttpEvents] = []

    def convert(self) -> Document:
        """Convert every section; the service's own resources are merged into those that the framework makes."""
        functions = list(self._functions())
        self._logical_ids = {key: logical_id_for(key) for _, key, _ in functions}
        self._add_layers()
        self._add_shared_role()
        for path, key, function in functions:
            self._add_function(self._logical_ids[key], key, path, function)
        http_diagnostics = add_http_apis(self._tree, self._document, self._http_events, self._origins)
        http_diagnostics += [each for events in self._http_events for each in events.diagnostics]
        self._merge_own_resources()
        return Document(
            self._document.source,
            self._tree,
            self._document.lines,
            tuple(self._diagnostics),
            {path: self._document.to_file_path(origin) for path, origin in self._origins.items()},
            tuple(http_diagnostics),
        )

    def _report_item(self, item: UnresolvedValue, section: str) -> None:
        # Without an item of `functions`, functions are missing; without one of `resources`, values perhaps.
        self._diagnostics.append(Diagnostic(item.location, item.text, fatal=section == "functions"))

    def _functions(self) -> Iterator[tuple[Path, str, Any]]:
        """Yield each function with its path and key."""
        provider = self._document.get("provider", "name")
        if isinstance(provider, str) and provider != "aws":
            text = f"the provider is {provider!r}, not aws: its functions are not Lambda functions"
            self._diagnostics.append(Diagnostic(self._document.location("provider", "name"), text, fatal=False))
            return
        functions = _require(self._document.get("functions"))
        for key, function in functions.items() if is_mapping(functions) else ():
            yield ("functions", key), key, function

    def _merge_own_resources(self) -> None:
        """Merge what ``resources`` contains, which is a template itself, and its ``extensions`` of resources."""
        own: Path = ("resources",)
        parts = {name: (*own, name) for name in _SECTIONS}
        for name, path in [*parts.items(), ("Resources", (*own, "extensions"))]:
            section = self._document.get(*path)
            if isinstance(section, UnresolvedValue):
                self._diagnostics.append(Diagnostic(section.location, section.text, fatal=False))
            for key, value in section.items() if is_mapping(section) else ():
                self._merge_own(name, key, value, (*path, key))
        resources = self._document.get(*own)
        if isinstance(resources, UnresolvedValue):
            self._diagnostics.append(Diagnostic(resources.location, resources.text, fatal=False))

    def _merge_own(self, section: str, key: str, value: Any, path: Path) -> None:
        made = self._tree[section].get(key)
        if made is not None and is_mapping(value):
            # Here it has the type of SAM's that does the same.
            value = {name: each for name, each in value.items() if name != "Type"}
        self._tree[section][key] = merge_trees(made, value, (section, key), path, self._origins)

    def _add_layers(self) -> None:
        layers = self._document.get("layers")
        for key in layers if is_mapping(layers) else ():
            logical_id = f"{_normalize(key)}LambdaLayer"
            origin: Path = ("layers", key)
            setting: Path = (
                (*origin, *_ARTIFACT) if self._document.get(*origin, *_ARTIFACT) is not None else (*origin, "path")
            )
            content = self._at(("Resources", logical_id, "Properties", "ContentUri"), setting)
            self._add_resource(logical_id, "AWS::Serverless::LayerVersion", {"ContentUri": content}, origin)

    def _add_shared_role(self) -> None:
        """Add the role of the functions that name no other."""
        self._add_role(_SHARED_ROLE, _SHARED_STATEMENTS, ("provider",))
        properties = self._tree["Resources"][_SHARED_ROLE]["Properties"]
        name: Path = ("provider", "iam", "role", "name")
        if self._document.get(*name) is not None:
            properties["RoleName"] = self._at(("Resources", _SHARED_ROLE, "Properties", "RoleName"), name)
        else:
            properties["RoleName"] = {"Fn::Sub": f"{self._prefix}-${{AWS::Region}}-lambdaRole"}
        managed: list[Any] = []
        for origin in _SHARED_MANAGED_POLICIES:
            for path, policy in _items(self._document.get(*origin), origin):
                self._origins["Resources", _SHARED_ROLE, "Properties", "ManagedPolicyArns", len(managed)] = path
                managed.append(policy)
        properties["ManagedPolicyArns"] = managed

    def _add_role(self, logical_id: str, statements: Iterable[Path], origin: Path) -> None:
        """Add a role with one policy, in the framework's order: what `resources` has of it merges by index."""
        path: Path = ("Resources", logical_id, "Properties", "Policies", 0, "PolicyDocument", "Statement")
        found: list[Any] = [_LOG_STATEMENT, _LOG_STATEMENT]
        for each in statements:
            for place, statement in _items(self._document.get(*each), each):
                self._origins[*path, len(found)] = place
                found.append(statement)
        policies = [{"PolicyDocument": {"Statement": found}}]
        self._add_resource(logical_id, "AWS::IAM::Role", {"Policies": policies}, origin)

    def _add_function(self, logical_id: str, key: str, origin: Path, function: Any) -> None:
        root: Path = ("Resources", logical_id, "Properties")
        if isinstance(function, UnresolvedValue):
            # An included file that is missing: the function exists, and what it needs first is its handler.
            function = {"handler": function}
        settings: Mapping[str, Any] = function if is_mapping(function) else {}
        # The framework packages the whole directory of the service, so a handler contains the path of its module.
        properties: dict[str, Any] = {"FunctionName": self._name(settings, key)}
        self._origins |= {root: origin, (*root, "FunctionName"): (*origin, "name")}
        properties["CodeUri"] = self._code(root, origin)
        for setting, name in _PROPERTIES.items():
            if (found := self._find_setting(setting, settings, origin)) is not None:
                properties[name], self._origins[*root, name] = found
        if settings.get("image") is not None:
            properties |= {"PackageType": "Image", "ImageUri": settings["image"]}
            self._origins |= {(*root, "PackageType"): (*origin, "image"), (*root, "ImageUri"): (*origin, "image")}
        # In the function, not in Globals, whose layers SAM would add to the function's instead of replacing them.
        layers: Path = (*origin, "layers") if settings.get("layers") is not None else ("provider", "layers")
        properties["Layers"] = self._at((*root, "Layers"), layers)
        properties["Environment"] = self._environment(root, origin)
        properties["Role"] = self._role(logical_id, settings, root, origin)
        self._add_events(properties, settings, root, origin)
        self._add_http_events(properties, root, origin)
        self._add_resource(logical_id, SAM_FUNCTION, properties, origin)
        if (condition := settings.get("condition")) is not None:
            self._tree["Resources"][logical_id]["Condition"] = condition
        # The framework appends a hash of the code to this logical id, so that nothing can refer to it.
        aliases = [setting for setting in _ALIASES if settings.get(setting)]
        if aliases or self._is_versioned(settings):
            version = {"FunctionName": {"Ref": logical_id}}
            self._add_resource(f"{logical_id}Version", "AWS::Lambda::Version", version, origin)
        # The framework publishes one alias: the first of these takes precedence.
        for setting in aliases[:1]:
            self._add_alias(logical_id, setting, settings[setting], (*origin, setting))

    def _add_alias(self, logical_id: str, setting: str, value: Any, origin: Path) -> None:
        part, name = _ALIASES[setting]
        own = value.get("alias") if is_mapping(value) and setting == "provisionedConcurrency" else None
        version = get_framework_version(self._document)
        # The alias has a name of its own since version 4.
        if isinstance(own, str) and own and own != name and (version is None or version >= 4):
            part, name = f"{part}{_normalize(own)}", own
        properties = {
            "FunctionName": {"Ref": logical_id},
            "FunctionVersion": _attribute(f"{logical_id}Version", "Version"),
            "Name": name,
        }
        alias = f"{logical_id.removesuffix('LambdaFunction')}{part}LambdaAlias"
        self._add_resource(alias, "AWS::Lambda::Alias", properties, origin)

    def _name(self, settings: Mapping[str, Any], key: str) -> Any:
        name = settings.get("name")
        if name is None or name == "":
            return f"{self._prefix}-{key}"
        return name if isinstance(name, UnresolvedValue) or is_mapping(name) else str(name)

    def _code(self, root: Path, origin: Path) -> Any:
        """Return the zip file of the function or of the service, or else the service's directory."""
        for path in ((*origin, *_ARTIFACT), _ARTIFACT):
            if self._document.get(*path) is not None:
                return self._at((*root, "CodeUri"), path)
        self._origins[*root, "CodeUri"] = origin
        return "."

    def _find_setting(self, setting: str, settings: Mapping[str, Any], origin: Path) -> tuple[Any, Path] | None:
        """Return a setting of a function and where it is: its own, or else the provider's or the framework's."""
        own = settings.get(setting)
        if setting not in _DEFAULTS:
            return None if own is None else (own, (*origin, setting))
        # As in the framework, 0 counts as not set.
        if own:
            return own, (*origin, setting)
        if shared := self._document.get("provider", setting):
            return shared, ("provider", setting)
        if setting != "runtime":
            return _DEFAULTS[setting], origin
        version = get_framework_version(self._document)
        runtime = _RUNTIME_BEFORE_4 if version is not None and version < 4 else _DEFAULTS[setting]
        return None if settings.get("image") is not None else (runtime, origin)

    def _environment(self, root: Path, origin: Path) -> dict[str, Any]:
        """Return the variables of the provider and of the function; a null of the function's removes one."""
        path: Path = (*root, "Environment", "Variables")
        self._origins[*root, "Environment"] = (*origin, "environment")
        variables: dict[str, Any] = {}
        for place in (("provider", "environment"), (*origin, "environment")):
            found = self._document.get(*place)
            if isinstance(found, UnresolvedValue):
                text = f"{found.text}; its variables are left out"
                self._diagnostics.append(Diagnostic(self._document.location(*place), text, fatal=False))
            elif is_mapping(found):
                variables |= found
                self._origins |= {(*path, name): (*place, name) for name in found}
        return {"Variables": variables}

    def _role(self, logical_id: str, settings: Mapping[str, Any], root: Path, origin: Path) -> Any:
        """Return the role of a function: one it names, one of its own statements, or the service's."""
        if (role := settings.get("role")) is not None:
            self._origins[*root, "Role"] = (*origin, "role")
            return _role_reference(role)
        own = (*origin, "iamRoleStatements")
        # The statements of a single function are those of the plugin serverless-iam-roles-per-function.
        if settings.get("iamRoleStatements"):
            name = f"{logical_id.removesuffix('LambdaFunction')}{_SHARED_ROLE}"
            inherited = _SHARED_STATEMENTS if settings.get("iamRoleStatementsInherit") else ()
            self._add_role(name, (own, *inherited), origin)
            return _attribute(name, "Arn")
        for path in (("provider", "iam"), ("provider", "iam", "role"), ("provider", "role")):
            role = self._document.get(*path)
            if isinstance(role, str | UnresolvedValue) or (is_mapping(role) and is_intrinsic(role)):
                self._origins[*root, "Role"] = path
                return _role_reference(role)
        return _attribute(_SHARED_ROLE, "Arn")

    def _add_events(self, properties: dict[str, Any], settings: Mapping[str, Any], root: Path, origin: Path) -> None:
        config: dict[str, Any] = {}
        path: Path = (*root, "EventInvokeConfig")
        for setting, name in _EVENT_PROPERTIES.items():
            if settings.get(setting) is not None:
                config[name] = settings[setting]
                self._origins[*path, name] = (*origin, setting)
        destinations = settings.get("destinations")
        if isinstance(destinations, UnresolvedValue):
            config["DestinationConfig"] = destinations
        elif is_mapping(destinations):
            config["DestinationConfig"] = self._destinations(destinations, path, (*origin, "destinations"))
            if properties["Role"] == _attribute(_SHARED_ROLE, "Arn"):
                self._allow_destinations(destinations, (*origin, "destinations"))
        if config:
            properties["EventInvokeConfig"] = config
            self._origins[path] = (*origin, "destinations")
        if (on_error := settings.get("onError")) is not None:
            properties["DeadLetterQueue"] = {"TargetArn": self._target(on_error)}
            self._origins |= {
                (*root, "DeadLetterQueue"): (*origin, "onError"),
                (*root, "DeadLetterQueue", "TargetArn"): (*origin, "onError"),
            }

    def _add_http_events(self, properties: dict[str, Any], root: Path, origin: Path) -> None:
        found = convert_http_events(self._document, origin, self._logical_ids)
        self._http_events.append(found)
        if found.events:
            properties["Events"] = found.events
        if found.url is not None:
            properties["FunctionUrlConfig"] = found.url
        self._origins |= {(*root, *path): place for path, place in found.origins.items()}

    def _destinations(self, destinations: Mapping[str, Any], path: Path, origin: Path) -> dict[str, Any]:
        config: dict[str, Any] = {}
        for setting, name in (("onSuccess", "OnSuccess"), ("onFailure", "OnFailure")):
            if destinations.get(setting) is not None:
                config[name] = {"Destination": self._target(destinations[setting])}
                self._origins[*path, "DestinationConfig", name, "Destination"] = (*origin, setting)
        return config

    def _allow_destinations(self, destinations: Mapping[str, Any], origin: Path) -> None:
        """Add to the shared role what Lambda needs to invoke a function with the outcome of an event."""
        path: Path = ("Resources", _SHARED_ROLE, "Properties", "Policies", 0, "PolicyDocument", "Statement")
        statements: list[Any] = self._tree["Resources"][_SHARED_ROLE]["Properties"]["Policies"][0]["PolicyDocument"][
            "Statement"
        ]
        for setting in ("onSuccess", "onFailure"):
            target = destinations.get(setting)
            if target is not None and _is_function(target):
                self._origins[*path, len(statements)] = (*origin, setting)
                statements.append({"Effect": "Allow", "Action": ACTION, "Resource": self._target(target)})

    def _target(self, target: Any) -> Any:
        """Return the ARN of a destination: stated, or of a function of this service by its key."""
        arn = target.get("arn") if is_mapping(target) and "arn" in target else target
        logical_id = self._logical_ids.get(arn) if isinstance(arn, str) else None
        return arn if logical_id is None else _attribute(logical_id, "Arn")

    def _is_versioned(self, settings: Mapping[str, Any]) -> bool:
        own = settings.get("versionFunction")
        return (self._document.get("provider", "versionFunctions") if own is None else own) is not False

    def _add_resource(self, logical_id: str, kind: str, properties: Mapping[str, Any], origin: Path) -> None:
        self._tree["Resources"][logical_id] = {"Type": kind, "Properties": dict(properties)}
        self._origins["Resources", logical_id] = origin
        self._origins.setdefault(("Resources", logical_id, "Properties"), origin)

    def _at(self, path: Path, origin: Path) -> Any:
        self._origins[path] = origin
        return self._document.get(*origin)


def _is_function(target: Any) -> bool:
    """Check whether a destination is a function: one that says so, the key of one, or an ARN."""
    if is_mapping(target):
        return target.get("type") == "function"
    return isinstance(target, str) and (not target.startswith("arn:") or ":function:" in target)


def logical_id_for(key: str) -> str:
    """Return the logical id of a function.

    >>> logical_id_for("charge-card_now")
    'ChargeDashcardUnderscorenowLambdaFunction'
    """
    return f"{_normalize(key)}LambdaFunction"


def _normalize(key: str) -> str:
    # CloudFormation allows only letters and digits in a logical id.
    name = key.replace("-", "Dash").replace("_", "Underscore")
    return name[:1].upper() + name[1:]


def _items(tree: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the items of a list, or the tree itself where the framework takes one in place of a list."""
    if is_list(tree):
        yield from (((*path, index), item) for index, item in enumerate(tree))
    elif tree is not None:
        yield path, tree


def _attribute(logical_id: str, name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical_id, name]}


def _role_reference(role: Any) -> Any:
    """Return a role as a property: the framework takes a text that is not an ARN for a logical id."""
    return _attribute(role, "Arn") if isinstance(role, str) and not role.startswith("arn:") else role
