"""
A copy of the repository in which mutmut finds what it would pass by: it changes no decorated function, hence no
property, and no condition that is a bare name. In the copy a property is a method and `if x:` is
`if (x) and True:`, whose mutants are "always" and "never".
"""

from __future__ import annotations

import shutil
from pathlib import Path

import libcst as cst
import libcst.matchers as m

COPIED = ("app", "tests", "workers", "pyproject.toml", "README.md", "policy.example.toml")
_PROPERTY = m.Decorator(decorator=m.Name("property"))


class _Opened(cst.CSTTransformer):
    """Puts a function where a property was, and a second operand into each condition."""

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        body: list[cst.BaseStatement] = []
        for statement in updated_node.body:
            if not (
                isinstance(statement, cst.FunctionDef)
                and len(statement.decorators) == 1
                and m.matches(statement.decorators[0], _PROPERTY)
            ):
                body.append(statement)
                continue
            name = statement.name.value
            body.append(statement.with_changes(decorators=[], name=cst.Name(f"get_{name}")))
            body.append(cst.parse_statement(f"{name} = property(get_{name})"))
        return updated_node.with_changes(body=body)

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If:
        test = updated_node.test.with_changes(
            lpar=[cst.LeftParen(), *updated_node.test.lpar], rpar=[*updated_node.test.rpar, cst.RightParen()]
        )
        both = cst.BooleanOperation(left=test, operator=cst.And(), right=cst.Name("True"))
        return updated_node.with_changes(test=both)


def opened(source: str) -> str:
    """The same programme, with its properties and conditions open to mutation."""
    return cst.parse_module(source).visit(_Opened()).code


def copied(root: Path, into: Path, *, mutated: str, settings: str) -> None:
    """The repository's files in `into`; those below app/`mutated` opened; `settings` appended to pyproject."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, into / name)
    for path in (into / "app" / mutated).rglob("*.py"):
        path.write_text(opened(path.read_text("utf-8")), "utf-8")
    with (into / "pyproject.toml").open("a", encoding="utf-8") as pyproject:
        pyproject.write(settings)
