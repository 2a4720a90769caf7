"""Python source as a tree: the definitions of a module, each with its text and the names that it uses.

What is written for people is taken away: comments, docstrings, layout, types, and the texts of errors.
"""

import ast
import symtable
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

OURS = ("bench", "methods", "datasets")
"""The packages of this project."""

CLAIM = "PUBLISHED"
"""The constant in which a person's file names the published numbers that it is held against: it moves no pixel."""

_CONSTRUCTORS = ("__init__", "__post_init__", "__new__")

Statements = list[ast.stmt]


@dataclass(frozen=True)
class Definition:
    """A function, a constant, or a part of a class."""

    text: str  # its syntax as it counts, in a form that does not depend on the version of Python
    # Names that it takes from its module, dotted where attributes follow: ``"resize.kernel"``.
    names: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()  # names in its annotations
    attributes: frozenset[str] = frozenset()  # attributes that it asks of anything
    # What the names stand for that it imports itself: module and name, which is empty for a whole module.
    imports: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    is_class: bool = False


@dataclass(frozen=True)
class ClassDefinition:
    """A class without bases."""

    construction: Definition  # what making an object needs: fields with their defaults, constructor, decorators
    members: Mapping[str, tuple[Definition, ...]]  # methods and properties by name, and for each field its type


class Module:
    """A module, of which each definition is read when it is asked for.

    Parameters
    ----------
    source : str
        Its text.
    """

    def __init__(self, source: str) -> None:
        self.names = bindings(ast.parse(source).body)
        self._definitions: dict[str, Definition | ClassDefinition | None] = {}

    def imports(self, name: str) -> list[tuple[str, str]]:
        """Return the modules, and the names in them, that a name is imported from."""
        return [imported(s)[name] for s in self.names[name] if isinstance(s, ast.Import | ast.ImportFrom)]

    def definition(self, name: str) -> Definition | ClassDefinition | None:
        """Return what the module defines by a name; None where it only imports it."""
        if name not in self._definitions:
            own = [s for s in self.names[name] if not isinstance(s, ast.Import | ast.ImportFrom)]
            self._definitions[name] = _define(own) if own else None
        return self._definitions[name]

    def lambdas(self, line: int) -> Iterator[Definition]:
        """Give the lambda functions that begin on a line."""
        statements = {id(s): s for bound in self.names.values() for s in bound}
        for node in (node for statement in statements.values() for node in ast.walk(statement)):
            if isinstance(node, ast.Lambda) and node.lineno == line:
                yield _definition([ast.Expr(node)])


@cache
def module(source: str) -> Module:
    """Return the module of a text."""
    return Module(source)


def is_ours(module: str) -> bool:
    """Whether a module is of this project."""
    return module.partition(".")[0] in OURS


def without_docstrings(source: str | bytes) -> str:
    """Return the syntax of a module without comments, docstrings, layout, and what it says of published numbers."""
    tree = ast.parse(source)
    if not any(isinstance(n, ast.Name) and n.id == CLAIM and isinstance(n.ctx, ast.Load) for n in ast.walk(tree)):
        tree.body = [statement for statement in tree.body if not _is_claim(statement)]
    return _text(_Docstrings().visit(tree))


def _is_claim(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign([ast.Name(name)]):
            return name == CLAIM
    return False


def bindings(body: Iterable[ast.stmt]) -> dict[str, Statements]:
    """Return the statements of a module that bind each of its names, or change what it stands for."""
    bound: dict[str, Statements] = {}
    for statement in body:
        if isinstance(statement, ast.If | ast.Try):
            for name, inner in bindings(_inside(statement)).items():
                bound.setdefault(name, []).extend(inner)
        else:
            for name in dict.fromkeys(_bound(statement)):
                bound.setdefault(name, []).append(statement)
    return bound


def imported(statement: ast.stmt) -> dict[str, tuple[str, str]]:
    """Return the module, and the name in it, that each name of an import stands for; empty for other statements."""
    if isinstance(statement, ast.ImportFrom):
        return {alias.asname or alias.name: (statement.module or "", alias.name) for alias in statement.names}
    if isinstance(statement, ast.Import):
        whole = {alias.asname: (alias.name, "") for alias in statement.names if alias.asname}
        tops = (alias.name.partition(".")[0] for alias in statement.names if not alias.asname)
        return whole | {top: (top, "") for top in tops}
    return {}


def _define(statements: Statements) -> Definition | ClassDefinition:
    single = statements[0]
    if len(statements) == 1 and isinstance(single, ast.ClassDef) and not single.bases and not single.keywords:
        return _class(single)
    return _definition(statements)


def _inside(statement: ast.If | ast.Try) -> Iterator[ast.stmt]:
    yield from statement.body
    yield from statement.orelse
    for handler in getattr(statement, "handlers", ()):
        yield from handler.body


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from imported(statement)
    else:
        loops = (node.target for node in ast.walk(statement) if isinstance(node, ast.comprehension))
        inside = {id(node) for target in loops for node in ast.walk(target)}
        for node in ast.walk(statement):
            if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
                yield from _root(node) if id(node) not in inside else ()
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield from _root(statement.value.func)  # as in TABLE.update(...)


def _root(node: ast.expr) -> Iterator[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _class(statement: ast.ClassDef) -> ClassDefinition:
    members: dict[str, list[Definition]] = {}
    construction: Statements = []
    for part in statement.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.name not in _CONSTRUCTORS:
            members.setdefault(part.name, []).append(_definition([part]))
            continue
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            members.setdefault(part.target.id, []).append(Definition("", types=frozenset(_types(part.annotation))))
        construction.append(part)
    head = ast.ClassDef(statement.name, [], [], construction, statement.decorator_list)
    return ClassDefinition(_definition([head]), {name: tuple(parts) for name, parts in members.items()})


def _definition(statements: Statements) -> Definition:
    """Read statements; they are changed."""
    stripped = _ForPeople()
    kept = [new for statement in statements if (new := stripped.visit(statement)) is not None]
    uses = _Uses()
    for statement in kept:
        uses.visit(statement)
    free = _free_names(ast.unparse(ast.Module(kept, [])))
    return Definition(
        _text(kept),
        frozenset(name for name in uses.names if name.partition(".")[0] in free),
        frozenset(stripped.types),
        frozenset(uses.attributes),
        stripped.imports,
        any(isinstance(statement, ast.ClassDef) for statement in kept),
    )


def _text(node: Any) -> str:
    """Return a tree as text; fields that are empty are left out, since versions of Python differ in them."""
    if isinstance(node, list):
        return f"[{' '.join(map(_text, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = (f"{name}={_text(value)}" for name, value in ast.iter_fields(node) if value is not None and value != [])
    return f"{type(node).__name__}({' '.join(fields)})"


def _free_names(text: str) -> set[str]:
    """Return the names that some source takes from its module or from Python."""
    names: set[str] = set()
    tables = [symtable.symtable(text, "source", "exec")]
    while tables:
        table = tables.pop()
        names.update(s.get_name() for s in table.get_symbols() if s.is_referenced() and s.is_global())
        tables += table.get_children()
    return names


def _types(annotation: ast.expr | None) -> set[str]:
    """Return the names in an annotation, those within quotation marks too."""
    names: set[str] = set()
    for node in ast.walk(annotation) if annotation else ():
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                names |= _types(ast.parse(node.value, mode="eval").body)
            except SyntaxError:  # a text, as in Literal["a b"]
                continue
    return names


class _Docstrings(ast.NodeTransformer):
    """Takes away texts that stand as statements."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == []:
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        value = node.value
        return None if isinstance(value, ast.Constant) and isinstance(value.value, str) else self.generic_visit(node)


class _ForPeople(_Docstrings):
    """Takes away types, the texts of errors and imports of this project too; keeps the names of the first and last."""

    def __init__(self) -> None:
        self.types: set[str] = set()
        self.imports: dict[str, tuple[str, str]] = {}

    def visit_arg(self, node: ast.arg) -> ast.AST:
        self.types |= _types(node.annotation)
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.types |= _types(node.returns)
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815 - a name of `ast`

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.types |= _types(node.annotation)
        node.annotation = ast.Constant(...)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise(node.exc.func if isinstance(node.exc, ast.Call) else node.exc, None)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        return self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> ast.AST | None:
        names = imported(node)
        self.imports |= names
        return None if all(is_ours(module) for module, _ in names.values()) else node


class _Uses(ast.NodeVisitor):
    """The names and the attributes that a statement uses; not those of errors that it raises."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def visit_Raise(self, node: ast.Raise) -> None:
        return

    def visit_Name(self, node: ast.Name) -> None:
        self.names.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        self.attributes.update(parts)
        if isinstance(inner, ast.Name):
            self.names.add(".".join((inner.id, *reversed(parts))))
        else:
            self.visit(inner)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and isinstance(node.args[1], ast.Constant):
            self.attributes.add(str(node.args[1].value))
        self.generic_visit(node)
