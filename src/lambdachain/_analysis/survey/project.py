"""The files of a survey, read: their scopes, and who names what where."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator

from .results import CodeUnit, SourceLocation, UnresolvedCall
from .scopes import Assignment, Binding, Import, Scope, last_name, read_scopes
from .sources import Imports, Source


class Project:
    """Several files, read together."""

    def __init__(self, sources: Iterable[Source]) -> None:
        listed = list(sources)
        self._imports = Imports(listed)
        self.unreadable: list[UnresolvedCall] = []
        self.modules: dict[str, Scope] = {}
        for source in listed:
            try:
                self.modules[source.file] = read_scopes(source)
            except (SyntaxError, ValueError) as exc:
                place = SourceLocation(source.file, getattr(exc, "lineno", None) or 1)
                self.unreadable.append(UnresolvedCall(place, CodeUnit("", ""), f"not read: {getattr(exc, 'msg', exc)}"))
            except (RecursionError, MemoryError):  # what Python's parser raises, too
                place = SourceLocation(source.file, 1)
                self.unreadable.append(UnresolvedCall(place, CodeUnit("", ""), "not read: it is nested too deeply"))
        self._found: dict[tuple[str, str], Scope | None] = {}
        self._calls: dict[str, list[tuple[ast.Call, Scope]]] = {}
        self._imported_as: dict[str, set[str]] = {}
        self._attribute_assignments: dict[str, list[tuple[ast.expr, ast.expr, Scope]]] = {}
        self._escaping: set[str] = set()
        self._classes: list[Scope] = []
        self._methods: dict[str, list[Scope]] = {}
        self._families: dict[Scope, list[Scope]] = {}
        for scope in self.scopes():
            self._note(scope)
        for scope in self.scopes():
            for target, added in scope.mutations:
                self._change(target, added, scope)

    def scopes(self) -> Iterator[Scope]:
        """Yield every scope of every file."""
        for module in self.modules.values():
            yield from module.walk()

    def find_module(self, name: str, importer: Source) -> Scope | None:
        """Return the module that an import in *importer* means, if it is among the files."""
        key = (name, importer.file)
        if key not in self._found:
            source = self._imports.find(name, importer)
            self._found[key] = None if source is None else self.modules.get(source.file)
        return self._found[key]

    def find_calls(self, name: str) -> list[tuple[ast.Call, Scope]]:
        """Return the calls of anything with this last name, or with one that it is imported under."""
        names = [name]
        for one in names:
            names += [other for other in sorted(self._imported_as.get(one, ())) if other not in names]
        return [call for one in names for call in self._calls.get(one, ())]

    def is_passed_as_value(self, name: str) -> bool:
        """Check whether something of this name is used other than by calling it."""
        return name in self._escaping

    def find_methods(self, name: str) -> list[Scope]:
        """Return every method of this name."""
        return self._methods.get(name, [])

    def find_attribute_assignments(self, name: str) -> list[tuple[ast.expr, ast.expr, Scope]]:
        """Return where an attribute of this name is set, of something that is not ``self``: of what, and to what."""
        return self._attribute_assignments.get(name, [])

    def get_family(self, scope: Scope, bases: Callable[[Scope], list[Scope]]) -> list[Scope]:
        """Return a class with its bases and the classes below it."""
        if scope not in self._families:
            up = [scope]
            for one in up:
                up += [base for base in bases(one) if base not in up]
            down = [scope]
            for one in down:
                down += [other for other in self._classes if other not in down and one in bases(other)]
            self._families[scope] = [*up, *down[1:]]
        return self._families[scope]

    def _change(self, target: ast.expr, added: ast.expr, scope: Scope) -> None:
        """Have a name that is changed where it stands be what is put into it, too, wherever it is bound."""
        change = (Assignment(added), scope)
        match target:
            case ast.Name(id=name):
                for bindings in self._bound(name, scope):
                    bindings.append(change)
            case ast.Attribute(value=ast.Name(id=of), attr=name):
                if scope.owner is not None and name in scope.owner.attributes:
                    scope.owner.attributes[name].append(change)
                for module in self._modules(of, scope):
                    module.bindings.get(name, []).append(change)
            case _:
                return

    def _bound(self, name: str, scope: Scope) -> list[list[tuple[Binding, Scope]]]:
        """Return what a name is bound to and, where that is imported, what it is in the module that it comes from."""
        found = scope.lookup(name)
        imported = [
            module.bindings[binding.name]
            for binding, home in found
            if isinstance(binding, Import) and binding.name is not None
            for module in (self.find_module(binding.module, home.source),)
            if module is not None and binding.name in module.bindings
        ]
        return [found, *imported] if found else []

    def _modules(self, name: str, scope: Scope) -> Iterator[Scope]:
        for binding, home in scope.lookup(name):
            if isinstance(binding, Import):
                whole = binding.module if binding.name is None else f"{binding.module}.{binding.name}"
                module = self.find_module(whole, home.source)
                yield from () if module is None else (module,)

    def _note(self, scope: Scope) -> None:
        for target, value in scope.attribute_assignments:
            self._attribute_assignments.setdefault(target.attr, []).append((target.value, value, scope))
        called = {id(call.func) for call in scope.calls}
        for call in scope.calls:
            self._calls.setdefault(last_name(call.func), []).append((call, scope))
        self._escaping |= {last_name(load) for load in scope.loads if id(load) not in called}
        for name, bindings in scope.bindings.items():
            for binding, _ in bindings:
                if isinstance(binding, Import) and binding.name not in (None, name):
                    self._imported_as.setdefault(str(binding.name), set()).add(name)
        if scope.kind == "class":
            self._classes.append(scope)
        if scope.owner is not None:
            self._methods.setdefault(scope.short_name, []).append(scope)
