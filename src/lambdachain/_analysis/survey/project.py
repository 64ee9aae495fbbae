"""The parsed files of a survey, with indexes of what evaluation looks up by name.

The indexes are by the last name only (``send`` for ``gateway.send``): what that name refers to is not known before
evaluation, which filters what it finds here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from lambdachain._json.gc_paused import gc_paused

from .decorations import find_decorator_names, get_decorator_name
from .imports import Imports
from .installed import NOT_INSTALLED, InstalledPackages
from .results import CodeUnit, SourceLocation, UnresolvedCall
from .scope_builder import read_scopes
from .scopes import Assignment, Binding, Definition, Import, Parameter, Scope, last_name
from .sources import Source


class Project:
    """Files that are surveyed together.

    Attributes:
        modules: The scope of each module, by file.
        unreadable: The files that could not be read or parsed.
        renamed_getattr_calls: The calls that may be of ``getattr`` by another name, which ``NameFlow`` finds.
    """

    def __init__(self, sources: Iterable[Source], installed: InstalledPackages = NOT_INSTALLED) -> None:
        self._installed = installed
        self._installed_modules: dict[str, Scope | None] = {}
        self._defining: dict[tuple[str, str, bool], Scope | None] = {}
        self._imported_packages: set[str] = set()
        self._may_use_lambdachain: bool | None = None
        listed = list(sources)
        self._sources = listed
        self._imports = Imports(listed)
        self.unreadable: list[UnresolvedCall] = []
        self.renamed_getattr_calls: set[ast.Call] = set()
        self.modules: dict[str, Scope] = {}
        # Syntax trees are never garbage here, and the collector would walk all of them again and again.
        gc_paused(sum(len(source.text) for source in listed), self._parse_all, listed)
        self._found: dict[tuple[str, str], Scope | None] = {}
        self._calls: dict[str, list[tuple[ast.Call, Scope]]] = {}
        self._decorations: dict[str, list[tuple[ast.expr, Scope]]] = {}
        self._imported_as: dict[str, set[str]] = {}
        self._attribute_assignments: dict[str, list[tuple[ast.expr, ast.expr, Scope]]] = {}
        self._passed_as_values: set[str] = set()
        self._classes: list[Scope] = []
        self._methods: dict[str, list[Scope]] = {}
        self._families: dict[Scope, list[Scope]] = {}
        self._imported: dict[Scope, frozenset[Scope]] = {}
        self._imports_of: dict[Scope, list[Scope]] = {}
        self._subclasses: dict[Scope, list[Scope]] | None = None
        self._importers: dict[Scope, dict[CodeUnit, None]] | None = None
        self._all_importers: dict[Scope, int] = {}
        self._bits: dict[Scope, int] = {}
        self._is_indexing = False
        for scope in self.scopes():
            self._index(scope)
        self._added: set[Binding] = set()
        # Only when all modules are known: a mutation may concern a name that is imported.
        for scope in self.scopes():
            for target, added in scope.mutations:
                self._add_mutation(target, added, scope)
        if not self.may_use_lambdachain():
            # The fields of models are read from the body of their class, and only contracts have models.
            for scope in self.scopes():
                if isinstance(scope.node, ast.ClassDef):
                    scope.node.body = []

    def _parse_all(self, sources: Iterable[Source]) -> None:
        for source in sources:
            self._parse(source)

    def _parse(self, source: Source) -> None:
        if source.error:
            self._add_unreadable(source, 1, source.error)
            return
        try:
            self.modules[source.file] = module = read_scopes(source)
            _release_statements(module)
        except (SyntaxError, ValueError) as exc:
            reason = f"cannot parse the file: {getattr(exc, 'msg', exc)}"
            self._add_unreadable(source, getattr(exc, "lineno", None) or 1, reason)
        except (RecursionError, MemoryError):  # CPython's parser raises MemoryError for deep nesting, too
            self._add_unreadable(source, 1, "cannot parse the file: it is nested too deeply")

    def _add_unreadable(self, source: Source, line: int, reason: str) -> None:
        location = SourceLocation(source.file, line)
        self.unreadable.append(UnresolvedCall(location, CodeUnit("", ""), reason))

    def scopes(self) -> Iterator[Scope]:
        """Yield every scope of every file."""
        for module in self.modules.values():
            yield from module.walk()

    @cached_property
    def scopes_by_unit(self) -> Mapping[CodeUnit, list[Scope]]:
        """The scopes of each unit: a class body runs with its module, a lambda with its function."""
        found: dict[CodeUnit, list[Scope]] = {}
        for scope in self.scopes():
            found.setdefault(scope.unit, []).append(scope)
        return found

    def mentions(self, word: str) -> bool:
        """Check whether a word is in the text of any file: if not, nothing in the code can mean it."""
        return any(source.mentions(word) for source in self._sources)

    @property
    def uses_lambdachain(self) -> bool:
        """Whether a file imports lambdachain."""
        return "lambdachain" in self._imported_packages

    def may_use_lambdachain(self) -> bool:
        """Check whether the code, or an installed package that it imports, mentions lambdachain."""
        if self._may_use_lambdachain is None:
            self._may_use_lambdachain = self.mentions("lambdachain") or any(
                self._installed.mentions_lambdachain(name) for name in sorted(self._imported_packages)
            )
        return self._may_use_lambdachain

    def find_module(self, name: str, importer: Source) -> Scope | None:
        """Return the module that an import in *importer* means, if it is in the code."""
        key = (name, importer.file)
        if key not in self._found:
            source = self._imports.find(name, importer)
            own = None if source is None else self.modules.get(source.file)
            self._found[key] = self._find_installed(name.lstrip(".")) if own is None else own
        return self._found[key]

    def is_missing(self, module: str) -> bool:
        """Check whether a module is neither in the code nor installed, so that nothing is known of its names."""
        return not self._installed.is_installed(module)

    def _find_installed(self, name: str) -> Scope | None:
        """Return a module of an installed package; it is not one of the code, so the calls in it are not listed."""
        source = self._installed.find(name) if name else None
        return None if source is None else self._read_installed(source)

    def find_defining_module(self, module: str, name: str, *, is_read: bool) -> Scope | None:
        """Return the module of an installed package that may define a constant or enum; see ``find_defining``."""
        key = (module, name, is_read)
        if key not in self._defining:
            source = self._installed.find_defining(module, name, is_read=is_read)
            self._defining[key] = None if source is None else self._read_installed(source)
        return self._defining[key]

    def _read_installed(self, source: Source) -> Scope | None:
        if source.file not in self._installed_modules:
            try:
                self._installed_modules[source.file] = read_scopes(source)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._installed_modules[source.file] = None
        return self._installed_modules[source.file]

    def find_calls(self, name: str) -> list[tuple[ast.Call, Scope]]:
        """Return the calls of anything with this last name or an alias that it is imported under."""
        names = [name]
        for one in names:
            names += [other for other in self.find_aliases(one) if other not in names]
        return [call for one in names for call in self._calls.get(one, ())]

    def find_decorations(self, scope: Scope) -> list[tuple[ast.Call, Scope]]:
        """Return where a function keeps what it decorates, as calls of the decorator with that."""
        names = dict.fromkeys(
            other for name in find_decorator_names(scope) for other in (name, *self.find_aliases(name))
        )
        return [
            (ast.copy_location(ast.Call(decorator, [ast.Name(decorated.short_name)], []), decorator), decorated.parent)
            for name in names
            for decorator, decorated in self._decorations.get(name, ())
            if decorated.parent is not None
        ]

    def find_aliases(self, name: str) -> list[str]:
        """Return the other names that something of this name is imported under."""
        return sorted(self._imported_as.get(name, ()))

    def is_passed_as_value(self, name: str) -> bool:
        """Check whether something of this name is read without being called: stored, registered or passed on."""
        return name in self._passed_as_values

    def find_imported(self, start: Scope) -> frozenset[Scope]:
        """Return the modules that a module imports, directly or through others, including itself."""
        if start not in self._imported:
            found = {start}
            pending = [start]
            while pending:
                new = set(self._get_imports(pending.pop())) - found
                found |= new
                pending += new
            self._imported[start] = frozenset(found)
        return self._imported[start]

    def find_importers(self, module: Scope) -> list[CodeUnit]:
        """Return the units that import a module by its own name."""
        if self._importers is None:
            self._importers = {}
            for scope in self.scopes():
                for name in {one.module for one in _get_imports(scope)}:
                    found = self.find_module(name, scope.source)
                    if found is not None:
                        self._importers.setdefault(found, {})[scope.unit] = None
        return list(self._importers.get(module, ()))

    def get_bit(self, module: Scope) -> int:
        """Return the number that stands for a module in sets of modules; 0 for one of an installed package."""
        if not self._bits:
            self._bits = {each: 1 << index for index, each in enumerate(self.modules.values())}
        return self._bits.get(module, 0)

    def find_all_importers(self, module: Scope) -> int:
        """Return the modules that import a module, directly or through others, and itself, as the bits of a number."""
        if module not in self._all_importers:
            found = {module: None}
            _close(found, lambda each: self._importing.get(each, []))
            self._all_importers[module] = sum(map(self.get_bit, found))
        return self._all_importers[module]

    @cached_property
    def _importing(self) -> Mapping[Scope, list[Scope]]:
        importing: dict[Scope, list[Scope]] = {}
        for module in self.modules.values():
            for imported in self._get_imports(module):
                importing.setdefault(imported, []).append(module)
        return importing

    def _get_imports(self, module: Scope) -> list[Scope]:
        if module not in self._imports_of:
            names = {(binding.module, binding.name) for scope in module.walk() for binding in _get_imports(scope)}
            qualified = {one for name, member in names for one in (name, f"{name}.{member}" if member else name)}
            found = (self.find_module(one, module.source) for one in sorted(qualified))
            self._imports_of[module] = [one for one in found if one is not None]
        return self._imports_of[module]

    def may_be_getattr(self, call: ast.Call) -> bool:
        """Check whether a call may be one of ``getattr`` with a name: by its own name, or by another that it has."""
        return len(call.args) > 1 and (last_name(call.func) == "getattr" or call in self.renamed_getattr_calls)

    def find_methods(self, name: str) -> list[Scope]:
        """Return the methods of this name, of all classes."""
        return self._methods.get(name, [])

    def find_attribute_assignments(self, name: str) -> list[tuple[ast.expr, ast.expr, Scope]]:
        """Return the assignments to an attribute of this name, except of ``self``, as (object, value, scope)."""
        return self._attribute_assignments.get(name, [])

    def get_family(self, scope: Scope, bases: Callable[[Scope], list[Scope]]) -> list[Scope]:
        """Return a class with its bases and subclasses.

        A method of a class may run on an object of a subclass, so the attributes of subclasses count, too.
        """
        if scope not in self._families:
            ancestors = {scope: None}
            _close(ancestors, bases)
            subclasses = self._find_subclasses(bases)
            descendants = {scope: None}
            _close(descendants, lambda one: subclasses.get(one, []))
            self._families[scope] = [*ancestors, *list(descendants)[1:]]
        return self._families[scope]

    def _find_subclasses(self, bases: Callable[[Scope], list[Scope]]) -> Mapping[Scope, list[Scope]]:
        """Return the direct subclasses of each class.

        All classes are asked for their bases, not only those that name this one: a base may be imported under another
        name. So this is done once, except while it is being done: a base may itself be an attribute of an object.
        """
        if self._subclasses is not None:
            return self._subclasses
        subclasses: dict[Scope, list[Scope]] = {}
        is_outermost, self._is_indexing = not self._is_indexing, True
        for one in self._classes:
            for base in bases(one):
                subclasses.setdefault(base, []).append(one)
        if is_outermost:
            self._subclasses, self._is_indexing = subclasses, False
        return subclasses

    def _add_mutation(self, target: ast.expr, added: ast.expr, scope: Scope) -> None:
        """Add what a collection is extended by to the bindings of its name, here and where it is imported from."""
        binding = (Assignment(added), scope)
        self._added.add(binding[0])
        match target:
            case ast.Name(id=name):
                for bindings in (*self._find_bindings(name, scope), *self._find_passed(name, scope)):
                    bindings.append(binding)
            case ast.Attribute(value=ast.Name(id=receiver), attr=name):
                for bound, home in scope.lookup(receiver):
                    # In a function that is nested in a method, too, ``self`` is the object of the method.
                    if isinstance(bound, Parameter) and bound.position == 0 and home.owner is not None:
                        home.owner.attributes.get(name, []).append(binding)
                    elif isinstance(bound, Definition):
                        bound.scope.bindings.get(name, []).append(binding)
                for module in self._find_imported_modules(receiver, scope):
                    module.bindings.get(name, []).append(binding)
            case _:
                return

    def _find_bindings(self, name: str, scope: Scope) -> list[list[tuple[Binding, Scope]]]:
        """Return the lists of bindings of a name and, if it is imported, of its name in that module."""
        found = scope.lookup(name)
        imported = [
            module.bindings[binding.name]
            for binding, home in found
            if isinstance(binding, Import) and binding.name is not None
            for module in (self.find_module(binding.module, home.source),)
            if module is not None and binding.name in module.bindings
        ]
        # ``same = options``: another name of the same object.
        same = [
            home.lookup(binding.expr.id)
            for binding, home in found
            if isinstance(binding, Assignment) and isinstance(binding.expr, ast.Name) and binding not in self._added
        ]
        return [found, *imported, *filter(None, same)] if found else []

    def _find_passed(self, name: str, scope: Scope) -> Iterator[list[tuple[Binding, Scope]]]:
        """Yield the bindings of names that callers pass for a parameter, which is the same object there."""
        parameter = next((one for one, _ in scope.bindings.get(name, ()) if isinstance(one, Parameter)), None)
        if parameter is None or parameter.collects_rest:
            return
        for call, caller in self._calls.get(scope.short_name, ()):
            position = parameter.position
            if position is not None and scope.owner is not None:
                position -= 1
            passed = [one.value for one in call.keywords if one.arg == name]
            passed += call.args[position : position + 1] if position is not None and position >= 0 else []
            yield from (caller.lookup(one.id) for one in passed if isinstance(one, ast.Name) and caller is not scope)

    def _find_imported_modules(self, name: str, scope: Scope) -> Iterator[Scope]:
        for binding, home in scope.lookup(name):
            if isinstance(binding, Import):
                qualified = binding.module if binding.name is None else f"{binding.module}.{binding.name}"
                module = self.find_module(qualified, home.source)
                yield from () if module is None else (module,)

    def _index(self, scope: Scope) -> None:
        for target, value in scope.attribute_assignments:
            self._attribute_assignments.setdefault(target.attr, []).append((target.value, value, scope))
        called = {id(call.func) for call in scope.calls}
        for call in scope.calls:
            self._calls.setdefault(last_name(call.func), []).append((call, scope))
        self._passed_as_values |= {last_name(load) for load in scope.loads if id(load) not in called}
        for name, bindings in scope.bindings.items():
            for binding, _ in bindings:
                if isinstance(binding, Import) and binding.name not in (None, name):
                    self._imported_as.setdefault(str(binding.name), set()).add(name)
                # A relative import begins with a dot: what it means is in the code, not in a package.
                if isinstance(binding, Import) and not binding.module.startswith("."):
                    self._imported_packages.add(binding.module.partition(".")[0])
        for decorator in getattr(scope.node, "decorator_list", ()):
            self._decorations.setdefault(get_decorator_name(decorator), []).append((decorator, scope))
        if scope.kind == "class":
            self._classes.append(scope)
        if scope.owner is not None and scope.kind == "function":
            self._methods.setdefault(scope.short_name, []).append(scope)


def _release_statements(module: Scope) -> None:
    """Drop the statements of a file, a quarter of the memory: the scopes have the expressions that are evaluated.

    The fields of models are read from the body of their class, so that stays.
    """
    for scope in module.walk():
        if isinstance(scope.node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.If):
            scope.node.body = []


def _get_imports(scope: Scope) -> Iterator[Import]:
    for bindings in scope.bindings.values():
        yield from (binding for binding, _ in bindings if isinstance(binding, Import))


def _close(found: dict[Scope, None], neighbors: Callable[[Scope], Iterable[Scope]]) -> None:
    """Add the neighbors of all that is found, breadth first, until there are no more."""
    pending = list(found)
    for one in pending:
        for other in neighbors(one):
            if other not in found:
                found[other] = None
                pending.append(other)
