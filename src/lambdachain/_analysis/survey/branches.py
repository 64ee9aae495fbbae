"""What runs together in a function: the branches of its conditions, and the rounds of its loops.

Names and modes belong to each other. In ``for name, kind in JOBS`` each name is called with its own kind, and in
``name, kind = ("a", "Event") if urgent else ("b", "RequestResponse")`` so is each name. To evaluate either by itself
would find calls that never happen. So code is evaluated once for each *alternative*: a frame in which the names of a
loop hold the items of one round, and a condition is true or false. A branch that cannot run, because the call that is
followed passes ``wait=True``, is left out.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import prod
from typing import Final, TypeAlias

from .conditions import decide_comparison, get_truth
from .evaluator import Evaluator
from .scopes import Assignment, Binding, Loop, LoopItem, LoopTarget, Scope, Span
from .string_values import evaluate_negative
from .values import (
    UNRESOLVED,
    CollectionValue,
    Constant,
    EnumMemberValue,
    Frame,
    FunctionValue,
    InstanceValue,
    MappingValue,
    Unresolved,
    Value,
    Values,
    get_key,
    limit_nesting,
    union,
)

# A table of more rows is not written by hand.
_MAX_ALTERNATIVES: Final = 128
_TOO_MANY: Final = (Unresolved("it is unpacked in a loop, which has too many rounds to follow each"),)
_TRUE: Final[Values] = (Constant(value=True),)
_FALSE: Final[Values] = (Constant(value=False),)
_NOT_UNPACKED: Final = (Unresolved("it is unpacked in a loop"),)
# What evaluates to a list, set or mapping of what each round makes.
COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
_SCOPES: Final = ("function", "module")
# Values that have parts, of which a function may read several.
_COMPOUND: Final = (CollectionValue, EnumMemberValue, InstanceValue, MappingValue)
# The rounds of a loop, or the outcomes of a condition: what each name holds.
_Choice: TypeAlias = Sequence[Mapping[str, Values]]


def find_alternatives(
    evaluator: Evaluator, scope: Scope, frame: Frame | None, calls: Iterable[ast.Call]
) -> list[Frame | None]:
    """Return the frames in which calls in a function or module are evaluated: together they are what *frame* is.

    Only the loops and conditions that the arguments of the calls depend on are told apart.
    """
    if scope.kind not in _SCOPES or not (scope.loops or scope.conditions):
        return [frame]
    sources = _Sources()
    for call in calls:
        sources.collect(call, scope)
    with evaluator.in_frame(frame):
        choices = _limit(
            [
                *_find_rounds(evaluator, sources.loops, scope),
                *_find_undecided(evaluator, sources.conditions, scope),
            ]
        )
    if not choices:
        return [frame]
    passed: Mapping[str, Values] = {} if frame is None else frame.arguments
    outer, created = (None, None) if frame is None else (frame.outer, frame.created)
    function = FunctionValue(scope, frame=outer)
    with evaluator.in_frame(frame):
        merged = (
            {name: values for one in (passed, *chosen) for name, values in one.items()} for chosen in product(*choices)
        )
        return [evaluator.create_frame(function, arguments, created) for arguments in merged]


def passes_several(frame: Frame | None) -> bool:
    """Check whether a call passes values that belong to each other, in combinations that may not occur."""
    if frame is None:
        return False
    several = [known for values in frame.arguments.values() if len(known := _get_known(values)) > 1]
    return len(several) > 1 or any(isinstance(one, _COMPOUND) for known in several for one in known)


def _get_known(values: Values) -> Values:
    return tuple(one for one in values if not isinstance(one, Unresolved))


@dataclass(slots=True)
class _Sources:
    """The loops and conditions that decide what an expression is.

    Attributes:
        loops: The loops, each once.
        conditions: The condition of each conditional expression, as often as it is met.
    """

    loops: dict[Loop, None] = field(default_factory=dict[Loop, None])
    conditions: list[ast.expr] = field(default_factory=list[ast.expr])
    _seen: set[ast.AST | Binding] = field(default_factory=set["ast.AST | Binding"])

    def collect(self, expr: ast.expr, scope: Scope) -> None:
        """Add what *expr* depends on, through the names that it reads."""
        for node in ast.walk(expr):
            if isinstance(node, ast.IfExp):
                self.conditions.append(node.test)
            if node in self._seen:
                continue
            self._seen.add(node)
            match node:
                case LoopItem(target=target):
                    self.loops[target.loop] = None
                case ast.Name() if node in scope.overwritten:
                    self.collect(scope.overwritten[node], scope)
                case ast.Name(id=name):
                    self._collect_bindings(name, scope)
                case _:
                    continue

    def _collect_bindings(self, name: str, scope: Scope) -> None:
        for binding, home in scope.lookup(name):
            if isinstance(binding, LoopTarget):
                self.loops[binding.loop] = None
                if binding.loop.is_unpacking and home is scope:
                    self.collect(binding.loop.iterable, scope)
            elif isinstance(binding, Assignment) and home is scope and binding not in self._seen:
                self._seen.add(binding)
                self.collect(binding.expr, scope)


def _limit(choices: list[_Choice]) -> list[_Choice]:
    """Return as many choices as can be followed; a name whose choice is left out is evaluated by itself."""
    if prod(map(len, choices)) <= _MAX_ALTERNATIVES:
        return choices
    kept: list[_Choice] = []
    for rounds in sorted(choices, key=len):
        # One name by itself may be any item, but two belong to each other.
        if len(rounds[0]) > 1 and len(rounds) * prod(map(len, kept)) > _MAX_ALTERNATIVES:
            kept.append([dict.fromkeys(rounds[0], _TOO_MANY)])
        elif len(rounds[0]) > 1:
            kept.append(rounds)
    return kept


def find_dead_code(evaluator: Evaluator, scope: Scope) -> Callable[[ast.AST], bool]:
    """Return what checks whether a node in *scope* cannot run in the current frame."""
    while scope.kind not in _SCOPES and scope.parent is not None:
        scope = scope.parent
    if not scope.branches:
        return lambda _: False
    spans = [
        span
        for branch in scope.branches
        for taken in (decide(evaluator, branch.test, scope),)
        if taken is not None
        for span in (branch.dead_if_true if taken else branch.dead_if_false)
    ]

    return lambda node: any(is_inside(node, span) for span in spans)


def is_inside(node: ast.AST, span: Span) -> bool:
    """Check whether a node is in a part of its file."""
    first = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
    # ``a if test else b`` begins where ``a`` begins, so that only the end tells which of them is dead.
    last = (getattr(node, "end_lineno", None) or first[0], getattr(node, "end_col_offset", None) or first[1])
    return span[0] <= first and last <= span[1]


def is_undecided(evaluator: Evaluator, node: ast.AST, scope: Scope) -> bool:
    """Check whether a node in a function runs under a condition that the current frame does not decide."""
    return any(
        is_inside(node, span)
        for branch in scope.branches
        if decide(evaluator, branch.test, scope) is None
        for span in (*branch.dead_if_true, *branch.dead_if_false)
    )


def decide(evaluator: Evaluator, test: ast.expr, scope: Scope) -> bool | None:
    """Return whether a condition is true in the call that is followed; ``None`` if that is unknown.

    Outside of a call, only what depends on variables of the environment and of modules is known.
    """
    frame = evaluator.find_frame(scope)
    if frame is None and not _reads_globals_only(test, scope):
        return None  # a parameter is what any call passes
    assumed = frame.arguments.get(_assumption(test)) if frame is not None and scope.conditions else None
    return assumed == _TRUE if assumed is not None else _decide_by_values(evaluator, test, scope)


def _decide_by_values(evaluator: Evaluator, test: ast.expr, scope: Scope) -> bool | None:
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = decide(evaluator, operand, scope)
            return None if inner is None else not inner
        case ast.BoolOp(op=op, values=values):
            deciding = isinstance(op, ast.Or)  # the operand that decides, whatever the others are
            found = {decide(evaluator, one, scope) for one in values}
            return deciding if deciding in found else None if None in found else not deciding
        case ast.NamedExpr(value=value):
            return decide(evaluator, value, scope)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            operands = evaluator.evaluate_certainly(left, scope), evaluator.evaluate_certainly(right, scope)
            return decide_comparison(op, *operands)
        case _:
            return get_truth(evaluator.evaluate_certainly(test, scope))


def evaluate_conditional(evaluator: Evaluator, node: ast.IfExp, scope: Scope) -> Values:
    """Return what ``a if test else b`` may be."""
    taken = decide(evaluator, node.test, scope)
    exprs = (node.body, node.orelse) if taken is None else (node.body if taken else node.orelse,)
    return union(evaluator.evaluate(expr, scope) for expr in exprs)


def evaluate_truth(evaluator: Evaluator, node: ast.Compare | ast.UnaryOp, scope: Scope) -> Values:
    """Return what a comparison, ``not x`` or ``-number`` is."""
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
        return evaluate_negative(evaluator, node, scope)
    is_true = decide(evaluator, node, scope)
    return UNRESOLVED if is_true is None else (Constant(is_true),)


def evaluate_bool_op(evaluator: Evaluator, node: ast.BoolOp, scope: Scope) -> Values:
    """Return what ``a or b`` or ``a and b`` may be."""
    found: list[Values] = []
    for expr in node.values:
        values = evaluator.evaluate(expr, scope)
        # Behind ``or``, what is false gives way to what comes next.
        is_last = expr is node.values[-1]
        found.append(values if is_last or isinstance(node.op, ast.And) else tuple(filter(_may_be_true, values)))
        # ``os.environ.get("TARGET") or "usual"``: behind a text that is not empty, nothing else is possible.
        if isinstance(node.op, ast.Or) and found[-1] and all(map(_is_text, found[-1])):
            break
    return union(found)


def _may_be_true(value: Value) -> bool:
    return not isinstance(value, Constant) or bool(value.value)


def _is_text(value: Value) -> bool:
    return isinstance(value, Constant) and isinstance(value.value, str) and bool(value.value)


def _reads_globals_only(expr: ast.expr, scope: Scope) -> bool:
    """Check whether an expression reads no name of a function or class."""
    names = {node.id for node in ast.walk(expr) if isinstance(node, ast.Name)}
    return all(home.kind == "module" for name in names for _, home in scope.lookup(name))


@lru_cache(maxsize=1000)
def _assumption(test: ast.expr) -> str:
    # A condition is one and the same wherever it is written in a function, so it goes by its text.
    return f"if {ast.unparse(test)}"


def _find_undecided(evaluator: Evaluator, conditions: Collection[ast.expr], scope: Scope) -> Iterator[_Choice]:
    """Yield both outcomes of each condition that decides several values, and is not decided itself."""
    by_text = {_assumption(test): test for test in conditions}
    counts = Counter(map(_assumption, conditions))
    for text, test in by_text.items():
        is_stable = all(len(scope.lookup(one.id)) < 2 for one in ast.walk(test) if isinstance(one, ast.Name))
        if counts[text] > 1 and is_stable and decide(evaluator, test, scope) is None:
            yield [{text: _TRUE}, {text: _FALSE}]


def _find_rounds(evaluator: Evaluator, loops: Iterable[Loop], scope: Scope) -> Iterator[_Choice]:
    """Yield the rounds of each loop whose items are known: what each of its names holds."""
    for loop in loops:
        rounds = [dict(_unpack(loop.target, (item,))) for item in _get_items(evaluator, loop, scope)]
        if len(rounds) > 1:
            yield rounds


def evaluate_comprehension(evaluator: Evaluator, node: _Comprehension, scope: Scope) -> Values:
    """Return the list, set or mapping of what a comprehension makes in each of its rounds."""
    frames = _find_frames(evaluator, node.generators, scope, evaluator.find_frame(scope))
    if frames is None:
        return _TOO_MANY
    results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    found: list[list[Values]] = []
    for frame in frames:
        with evaluator.in_frame(frame):
            found.append([limit_nesting(evaluator.evaluate(one, scope)) for one in results])
    if not isinstance(node, ast.DictComp):
        return (CollectionValue(union(one for (one,) in found)),)
    keys = [get_key(key) for key, _ in found]
    if None in keys:  # only the values are known, not where they are
        return (CollectionValue(union(value for _, value in found)),)
    entries = {key: value for key, (_, value) in zip(keys, found, strict=True) if key is not None}
    return (MappingValue(tuple(entries.items())),)


def _find_frames(
    evaluator: Evaluator, generators: Sequence[ast.comprehension], scope: Scope, frame: Frame | None
) -> list[Frame | None] | None:
    """Return the frame of each round of a comprehension; ``None`` if there are too many."""
    frames = [frame]
    for one in generators:
        loop = Loop(one.target, one.iter, is_comprehension=True)
        frames = [inner for outer in frames for inner in _find_next_frames(evaluator, loop, one.ifs, scope, outer)]
        if len(frames) > _MAX_ALTERNATIVES:
            return None
    return frames


def _find_next_frames(
    evaluator: Evaluator, loop: Loop, conditions: Sequence[ast.expr], scope: Scope, frame: Frame | None
) -> Iterator[Frame | None]:
    """Yield the frames of the rounds of a loop whose conditions are not known to be false."""
    passed: Mapping[str, Values] = {} if frame is None else frame.arguments
    outer, created = (None, None) if frame is None else (frame.outer, frame.created)
    function = FunctionValue(scope if frame is None else frame.scope, frame=outer)
    with evaluator.in_frame(frame):
        rounds = [dict(_unpack(loop.target, (item,))) for item in _get_items(evaluator, loop, scope)]
        frames: list[Frame | None] = [frame]
        # In a frame of its own all is evaluated again, which a single round does not need.
        if len(rounds) != 1:
            frames = [evaluator.create_frame(function, {**passed, **held}, created) for held in rounds]
    for one in frames:
        with evaluator.in_frame(one):
            is_left_out = any(decide(evaluator, test, scope) is False for test in conditions)
        yield from [] if is_left_out else [one]


def evaluate_loop_target(evaluator: Evaluator, target: LoopTarget, scope: Scope) -> Values:
    """Return what a name of a loop may hold: in the current round or, if no round is followed, in any."""
    key = _name_key(target.name)
    frame = evaluator.find_frame(scope)
    while frame is not None:
        if (held := frame.arguments.get(key)) is not None:
            return held
        frame = frame.outer
    items = _get_items(evaluator, target.loop, scope)
    return union(dict(_unpack(target.loop.target, (item,))).get(key, ()) for item in items)


def _get_items(evaluator: Evaluator, loop: Loop, scope: Scope) -> Values:
    values = evaluator.evaluate(loop.iterable, scope)
    if loop.is_unpacking:
        return values
    functions = evaluator.evaluate(loop.iterable.func, scope) if isinstance(loop.iterable, ast.Call) else ()
    # What a generator function yields counts as what it returns.
    is_generator = any(isinstance(one, FunctionValue) and one.scope.is_generator for one in functions)
    return values if is_generator else evaluator.list_items(values)


def _name_key(name: ast.Name) -> str:
    return f"for {name.id} {name.lineno}:{name.col_offset}"


def _unpack(target: ast.expr, values: Values) -> Iterator[tuple[str, Values]]:
    """Yield what each name in the target of a loop holds, if the loop has got to *values*."""
    match target:
        case ast.Name():
            yield _name_key(target), values
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            parts = [_get_parts(value, targets) for value in values]
            for position, inner in enumerate(targets):
                yield from _unpack(inner, union(part[position] for part in parts))
        case ast.Starred(value=inner):
            yield from _unpack(inner, _NOT_UNPACKED)
        case _:
            return


def _get_parts(value: Value, targets: Sequence[ast.expr]) -> Sequence[Values]:
    if isinstance(value, CollectionValue) and value.ordered is not None and len(value.ordered) == len(targets):
        return value.ordered
    reason = (value,) if isinstance(value, Unresolved) else _NOT_UNPACKED
    return [reason] * len(targets)
