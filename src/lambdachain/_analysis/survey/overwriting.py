"""Find what a name or attribute certainly is where it is read, after the statements that run before.

The survey ignores control flow, with this exception. ``settings.target = os.environ["TARGET"]`` in the same function,
run before each time that ``settings.target`` is read there, leaves no other value possible; a name that is set in the
branches of an ``if`` is a conditional expression of both; and a mapping that is filled step by step has an entry that
only some branches add in those branches only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from .assignments import get_set_value, sets
from .scopes import (
    Assignment,
    Binding,
    FilledMapping,
    LoopTarget,
    OpaqueExpression,
    Parameter,
    PassedArgument,
    Scope,
)

T = TypeVar("T")
# Entries by their key; a mapping of which all entries are added, by its own expression. Later entries replace others.
_Entries: TypeAlias = dict[str | ast.expr, ast.expr]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_FOR = (ast.For, ast.AsyncFor)
_LOOPS = (*_FOR, ast.While)
_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)


@dataclass(frozen=True)
class _Rules(Generic[T]):
    """What is followed through statements; ``None`` in place of a state means that it is unknown.

    Attributes:
        changes: Whether a statement, without those inside, changes the state.
        apply: The state after such a statement.
        join: The state after an ``if``, of its condition and the states after either branch.
        repeat: The state in or after a loop, of the statements in it that change the state, and the state before.
    """

    changes: Callable[[ast.stmt], bool]
    apply: Callable[[ast.stmt, T | None], T | None]
    join: Callable[[ast.expr, T, T], T | None]
    repeat: Callable[[Sequence[ast.stmt], T | None], T | None] = lambda _changing, _state: None

    def follow(self, body: Iterable[ast.stmt], node: ast.expr, state: T | None) -> T | None:
        """Return the state where *node* is read, which is somewhere in *body*."""
        for statement in body:
            if not _contains(statement, node):
                state, _ = self._apply(statement, state)
                continue
            if isinstance(statement, _LOOPS) and any(map(self.changes, _walk_own([statement]))):
                # An assignment in a loop holds for the next round, but its target is set in each.
                is_target = (
                    isinstance(statement, _FOR) and self.changes(statement) and _contains_any(statement.body, node)
                )
                state = self.apply(statement, None) if is_target else self._repeat(statement, state)
            for block in _get_blocks(statement):
                if _contains_any(block, node):
                    return self.follow(block, node, self._enter(statement, block, state))
            return state
        return state

    def _enter(self, statement: ast.stmt, block: list[ast.stmt], state: T | None) -> T | None:
        """Return the state at the start of a block of a statement, if it was *state* before the statement."""
        tried = statement.body if isinstance(statement, ast.Try) and block is not statement.body else []
        return None if any(map(self.changes, _walk_own(tried))) else state

    def _apply(self, statement: ast.stmt, state: T | None) -> tuple[T | None, bool]:
        """Return the state after a statement, and whether the statement leaves the block."""
        match statement:
            case ast.If():
                return self._apply_if(statement, state)
            case ast.Match(subject=subject, cases=cases):
                return self._apply_if(to_conditions(subject, cases), state)
            case ast.With(body=body) | ast.AsyncWith(body=body):
                return self._apply_all(body, state)
            case _ if self.changes(statement) and not isinstance(statement, _LOOPS):
                return self.apply(statement, state), False
            case ast.For() | ast.AsyncFor() | ast.While():
                return self._repeat(statement, state), False
            case _:
                is_changed = any(map(self.changes, _walk_own([statement])))
                return None if is_changed else state, isinstance(statement, _LEAVING)

    def _repeat(self, statement: ast.stmt, state: T | None) -> T | None:
        changing = [one for one in _walk_own([statement]) if self.changes(one)]
        return self.repeat(changing, state) if changing else state

    def _apply_if(self, statement: ast.If, state: T | None) -> tuple[T | None, bool]:
        one, leaves = self._apply_all(statement.body, state)
        if isinstance(statement.test, ast.Constant) and statement.test.value:
            return one, leaves  # the last case of a ``match``
        other, other_leaves = self._apply_all(statement.orelse, state)
        if leaves or other_leaves:
            return other if leaves else one, leaves and other_leaves
        if one is None or other is None or one is other:
            return one if one is other else None, False
        return self.join(statement.test, one, other), False

    def _apply_all(self, body: Iterable[ast.stmt], state: T | None) -> tuple[T | None, bool]:
        for statement in body:
            state, leaves = self._apply(statement, state)
            if leaves:
                return state, True
        return state, False


def find_overwritten(scope: Scope) -> dict[ast.expr, ast.expr]:
    """Return the names and attributes that a function reads after it has set them, each with the only possible value.

    Runs when all statements of the function have been visited, those of functions inside included.
    """
    function = scope.node
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return {}
    names = {name for name, bindings in scope.bindings.items() if len(bindings) > 1}
    attributes = {target.attr for target, _ in scope.attribute_assignments}
    # What is added to a list or mapping in place is one of its values, too.
    mutated = {*(ast.unparse(target) for one in scope.walk() for target, _ in one.mutations), *scope.shrunk}
    reads = [
        load
        for load in scope.loads
        if (load.id in names or load.id in mutated if isinstance(load, ast.Name) else load.attr in attributes)
    ]
    statements = list(_walk_own(function.body)) if reads else []
    found: dict[ast.expr, ast.expr | None] = {}
    for read in reads:
        if ast.unparse(read) not in mutated:
            found[read] = _find_value(read, scope, function.body, statements)
        elif isinstance(read, ast.Name):
            found[read] = _find_mapping(read, scope, function.body, statements)
    # A name that is changed in place is otherwise what it is changed to, without end.
    found |= {read: OpaqueExpression("it is changed in place") for read in scope.augmented if found.get(read) is None}
    return {read: value for read, value in found.items() if value is not None}


def _find_value(
    node: ast.Name | ast.Attribute, scope: Scope, body: list[ast.stmt], statements: list[ast.stmt]
) -> ast.expr | None:
    """Return the only expression that *node* may have been set to; ``None`` if other values are possible."""
    text = ast.unparse(node)
    setting = {id(one) for one in statements if sets(one, text)}
    if isinstance(node, ast.Name) and len(setting) != _count_assignments(node, scope):
        return None  # it is also set by an import, a loop, ``global`` in another function, or unpacked
    rules = _Rules[ast.expr](
        changes=lambda one: id(one) in setting,
        apply=lambda one, _: get_set_value(one, text, scope),
        join=lambda test, one, other: _choose(scope, test, one, other),
    )
    bindings = [binding for binding, _ in scope.bindings.get(text, ())] if isinstance(node, ast.Name) else []
    parameter = next((one for one in bindings if isinstance(one, Parameter)), None)
    return rules.follow(body, node, None if parameter is None else PassedArgument(parameter))


def _find_mapping(node: ast.Name, scope: Scope, body: list[ast.stmt], statements: list[ast.stmt]) -> ast.expr | None:
    """Return the mapping that *node* has been filled to, if all its entries are in sight."""
    name = node.id
    filled = [target for one in scope.walk() for target, _ in one.mutations if ast.unparse(target) == name]
    setting = {id(one) for one in statements if sets(one, name)}
    filling = {id(one) for one in statements if _get_filled(one, name) is not None}
    removing = {id(one) for one in statements if _get_removed(one, name)}
    # Anything else may fill it as well: a function inside, ``append``.
    if len(filling) != len(filled) or len(setting) != _count_assignments(node, scope):
        return None
    rules = _Rules[_Entries](
        changes=lambda one: id(one) in setting | filling | removing,
        apply=lambda one, entries: _fill(one, name, entries),
        join=lambda test, one, other: _join_entries(scope, test, one, other),
        repeat=lambda changing, entries: _fill_in_rounds(changing, name, entries),
    )
    parameter = next((one for one, _ in scope.bindings.get(name, ()) if isinstance(one, Parameter)), None)
    entries = rules.follow(body, node, None if parameter is None else _add_all(PassedArgument(parameter)))
    if entries is None:
        return None
    keys: list[ast.expr | None] = [ast.Constant(key) if isinstance(key, str) else None for key in entries]
    kind = ast.Dict if all(keys) else FilledMapping
    return ast.copy_location(kind(keys, list(entries.values())), node)


def _add_all(mapping: ast.expr) -> _Entries:
    return {mapping: mapping}


def _merge(entries: _Entries, added: _Entries) -> _Entries:
    """Return entries in the order in which they were set: a mapping that is added replaces those before it."""
    return {**{key: value for key, value in entries.items() if key not in added}, **added}


def _has_mappings(entries: _Entries) -> bool:
    return any(isinstance(key, ast.expr) for key in entries)


def _fill(statement: ast.stmt, name: str, entries: _Entries | None) -> _Entries | None:
    """Return the entries of a mapping after a statement that sets it or adds to it."""
    if sets(statement, name):
        return _read_entries(getattr(statement, "value", None))
    if removed := _get_removed(statement, name):
        is_known = entries is not None and not _has_mappings(entries)
        return {key: value for key, value in (entries or {}).items() if key != removed} if is_known else None
    added = _get_filled(statement, name)
    if not added and entries is not None and (default := _read_default(statement)).keys().isdisjoint(entries):
        return {**default, **entries} if default else None
    return None if entries is None or not added else _merge(entries, added)


def _fill_in_rounds(filling: Iterable[ast.stmt], name: str, entries: _Entries | None) -> _Entries | None:
    """Return the entries of a mapping in or after a loop that adds entries; ``None`` if it does anything else."""
    added = [_get_filled(statement, name) for statement in filling]
    if entries is None or not all(added) or any(map(_has_mappings, filter(None, added))):
        return None
    # A round adds what the rounds after it have as well; the other entries stay what they were before the loop.
    unknown = OpaqueExpression("it is set in a loop")
    return _merge(entries, {key: unknown for one in added for key in one or ()})


def _read_entries(expr: ast.expr | None) -> _Entries | None:
    """Return the entries of a mapping that is written out, or is a copy of another."""
    match expr:
        case ast.Dict(keys=keys, values=values):
            entries: _Entries = {}
            for key, value in zip(keys, values, strict=True):
                text = _get_string(key)
                if key is not None and text is None:
                    return None
                entries = _merge(entries, _add_all(value) if text is None else {text: value})
            return entries
        case ast.Call(func=ast.Name(id="dict"), args=[] | [_] as mappings, keywords=keywords):
            return _read_arguments(mappings, keywords)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _merge(_read_added(left), _read_added(right))
        case ast.Call():
            return _add_all(expr)
        case _:
            return None


def _read_arguments(mappings: Iterable[ast.expr], keywords: Iterable[ast.keyword]) -> _Entries:
    """Return the entries that ``dict`` and ``update`` make of their arguments."""
    entries: _Entries = {}
    for mapping in mappings:
        entries = _merge(entries, _read_added(mapping))
    for keyword in keywords:
        entries = _merge(entries, _add_all(keyword.value) if keyword.arg is None else {keyword.arg: keyword.value})
    return entries


def _read_added(mapping: ast.expr) -> _Entries:
    return (_read_entries(mapping) if isinstance(mapping, ast.Dict) else None) or _add_all(mapping)


def _read_default(statement: ast.stmt) -> _Entries:
    """Return what ``setdefault`` sets unless it is set; empty if that is unknown."""
    match statement:
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(attr="setdefault"), args=[ast.Constant(value=str(key)), value])
        ):
            return {key: value}
        case _:
            return {}


def _get_string(expr: ast.expr | None) -> str | None:
    return expr.value if isinstance(expr, ast.Constant) and isinstance(expr.value, str) else None


def _get_filled(statement: ast.stmt, name: str) -> _Entries | None:
    """Return what a statement adds to the mapping *name*; empty if that is unknown, ``None`` if it adds nothing."""
    match statement:
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=target), slice=key)], value=value) if target == name:
            text = _get_string(key)
            return {} if text is None else {text: value}
        case ast.AugAssign(target=ast.Name(id=target), op=ast.BitOr(), value=value) if target == name:
            return _read_added(value)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=target), attr=method)) as call) if (
            target == name and method in ("update", "setdefault")
        ):
            return _read_arguments(call.args, call.keywords) if method == "update" else {}
        case _:
            return None


def _get_removed(statement: ast.stmt, name: str) -> str:
    """Return the entry that a statement removes from the mapping *name*; an empty string if it removes none."""
    match statement:
        case ast.Delete(targets=[ast.Subscript(value=ast.Name(id=target), slice=ast.Constant(value=str(key)))]):
            return key if target == name else ""
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id=target), attr="pop"), args=[ast.Constant(value=str(key)), *_]
            )
        ):
            return key if target == name else ""
        case _:
            return ""


def _choose(scope: Scope, test: ast.expr, one: ast.expr, other: ast.expr) -> ast.expr:
    """Return the conditional expression of what two branches have set."""
    scope.conditions.append(test)
    return ast.copy_location(ast.IfExp(test, one, other), test)


def _join_entries(scope: Scope, test: ast.expr, one: _Entries, other: _Entries) -> _Entries | None:
    """Join what two branches have put into a mapping; an entry that is missing counts as ``None``."""
    one, other = _to_mappings(one, other), _to_mappings(other, one)
    keys = list(dict.fromkeys((*one, *other)))
    # Which entry replaces which is known only if both branches set them in the same order.
    if _has_mappings({**one, **other}) and any(
        [key for key in keys if key in each] != [*each] for each in (one, other)
    ):
        return None

    def choose(key: str | ast.expr) -> ast.expr:
        missing = ast.copy_location(ast.Constant(None) if isinstance(key, str) else ast.Dict([], []), test)
        first, second = one.get(key, missing), other.get(key, missing)
        return first if first is second else _choose(scope, test, first, second)

    return {key: choose(key) for key in keys}


def _to_mappings(entries: _Entries, other: _Entries) -> _Entries:
    """Return entries, each that *other* lacks as a mapping of its own: without it, what it replaces stays."""
    if not _has_mappings({**entries, **other}):
        return entries
    own: _Entries = {}
    for key, value in entries.items():
        own |= (
            _add_all(ast.Dict([ast.Constant(key)], [value]))
            if isinstance(key, str) and key not in other
            else {key: value}
        )
    return own


def _contains(statement: ast.stmt, node: ast.expr) -> bool:
    start, end = (statement.lineno, statement.col_offset), (statement.end_lineno or 0, statement.end_col_offset or 0)
    return start <= (node.lineno, node.col_offset) < end


def _contains_any(block: Iterable[ast.stmt], node: ast.expr) -> bool:
    return any(_contains(statement, node) for statement in block)


def to_conditions(subject: ast.expr, cases: Sequence[ast.match_case]) -> ast.If:
    """Return the statement ``if`` that does what a statement ``match`` does."""
    case, *others = cases
    test = _to_condition(subject, case)
    orelse: list[ast.stmt] = [to_conditions(subject, others)] if others else []
    statement = ast.copy_location(ast.If(test, case.body, orelse), case.pattern)
    # It ends where its last case does, not where the pattern ends.
    last = (orelse or case.body)[-1]
    statement.end_lineno, statement.end_col_offset = last.end_lineno, last.end_col_offset
    return statement


def _to_condition(subject: ast.expr, case: ast.match_case) -> ast.expr:
    """Return the condition of a case: comparisons with values; any other pattern is not followed."""
    match case.pattern:
        case _ if case.guard is not None:
            test: ast.expr = OpaqueExpression("it is matched with a pattern")
        case ast.MatchAs(pattern=None):
            test = ast.Constant(value=True)
        case ast.MatchValue(value=value):
            test = ast.Compare(subject, [ast.Eq()], [value])
        case ast.MatchSingleton(value=value):
            test = ast.Compare(subject, [ast.Is()], [ast.copy_location(ast.Constant(value), case.pattern)])
        case ast.MatchOr(patterns=patterns):
            tests = [_to_condition(subject, ast.match_case(one, None, case.body)) for one in patterns]
            test = ast.BoolOp(ast.Or(), tests)
        case _:
            test = OpaqueExpression("it is matched with a pattern")
    return ast.copy_location(test, case.pattern)


def _count_assignments(node: ast.Name, scope: Scope) -> int:
    """Count the bindings of a name; -1 if one of them is not followed: an import, for example."""
    bindings = [binding for binding, _ in scope.bindings.get(node.id, ()) if not _is_in_comprehension(binding)]
    if not all(isinstance(one, Assignment | LoopTarget | Parameter) for one in bindings):
        return -1
    return sum(not isinstance(one, Parameter) for one in bindings)


def _is_in_comprehension(binding: Binding) -> bool:
    return isinstance(binding, LoopTarget) and binding.loop.is_comprehension


def _get_blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield from [block] if (block := getattr(statement, name, None)) else []
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield part.body


def _walk_own(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a function, without those of functions inside."""
    for statement in body:
        yield statement
        if not isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            for block in _get_blocks(statement):
                yield from _walk_own(block)
