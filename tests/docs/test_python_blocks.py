"""The Python of the pages: it parses, what it imports is there, and every name has a source."""

import ast
import builtins
import symtable
from collections.abc import Iterator
from importlib import import_module

import pytest

from tests.docs.pages import Block, blocks

PYTHON = blocks("python")


def imports(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """Module and name of each import; the name is None for the module itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def module_names(table: symtable.SymbolTable) -> set[str]:
    """Names that code, in whatever scope, looks up in its module."""
    top = table.get_type() == "module"
    own = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    return own.union(*map(module_names, table.get_children()))


def bound_names(block: Block) -> set[str]:
    table = symtable.symtable(block.content, str(block), "exec")
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_what_a_block_imports_is_there(block: Block) -> None:
    for module, name in imports(ast.parse(block.content)):
        found = import_module(module)
        assert name is None or hasattr(found, name), f"{block}: {module} has no {name}"


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_every_name_of_a_block_is_bound_given_or_from_a_block_before(block: Block) -> None:
    known = set(dir(builtins)) | set(block.marks.get("given", "").replace(",", " ").split())
    for before in PYTHON:
        if before.page == block.page and before.line <= block.line:
            known |= bound_names(before)
    unknown = module_names(symtable.symtable(block.content, str(block), "exec")) - known
    assert not unknown, f"{block}: say where {sorted(unknown)} come from, or mark them as given"
