"""
A copy of the repository in which mutmut finds what it would pass by: it changes no decorated function, hence
no property, and no condition that is a bare name. In the copy a property is a method, and `if x:` is
`if (x) and True:`, whose mutants are "always" and "never".
"""

from __future__ import annotations

import shutil
from pathlib import Path

import libcst as cst
import libcst.matchers as m

# The order of the suite and its parallel runs are no matter here.
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "conftest.py")
_COPIED = ("app", "tests", "workers", "pyproject.toml")
_PROPERTY = m.FunctionDef(decorators=[m.Decorator(decorator=m.Name("property"))])
_PYTEST_INI = "[pytest]\npythonpath = .\naddopts = --import-mode=importlib\n"
_MUTMUT = """
[tool.mutmut]
source_paths = ["app"]
only_mutate = ["app/{paths}/*"]
also_copy = ["workers", "pytest.ini"]
pytest_add_cli_args = ["-c", "pytest.ini", "-p", "no:cacheprovider", "--disable-warnings", "-m", "not slow"]
pytest_add_cli_args_test_selection = ["tests/{paths}", {ignored}]
use_git_change_detection = false
"""
# The walk takes a minute and says little about one rule; the values that last are of other packages.
_IGNORED = {"core": ("tests/core/test_walk.py", "tests/core/test_golden_values.py")}


class _Opened(cst.CSTTransformer):
    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        body: list[cst.BaseStatement] = []
        for statement in updated_node.body:
            if isinstance(statement, cst.FunctionDef) and m.matches(statement, _PROPERTY):
                name = statement.name.value
                body.append(statement.with_changes(decorators=[], name=cst.Name(f"get_{name}")))
                body.append(cst.parse_statement(f"{name} = property(get_{name})"))
            else:
                body.append(statement)
        return updated_node.with_changes(body=body)

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If:
        test = updated_node.test
        left = test.with_changes(lpar=[cst.LeftParen(), *test.lpar], rpar=[*test.rpar, cst.RightParen()])
        both = cst.BooleanOperation(left=left, operator=cst.And(), right=cst.Name("True"))
        return updated_node.with_changes(test=both)


def opened(source: str) -> str:
    """The same program, with its properties and conditions open to mutation."""
    return cst.parse_module(source).visit(_Opened()).code


def prepare(root: Path, into: Path, paths: str, *, keep: bool) -> None:
    """
    The repository's files in `into`, those of app/`paths` opened, with mutmut's settings.

    Args:
        keep: An earlier run's verdicts about functions that are the same stay.
    """
    into.mkdir(parents=True, exist_ok=True)
    if keep:
        _forget(root, into / "mutants")
    else:
        shutil.rmtree(into / "mutants", ignore_errors=True)
    for name in _COPIED:
        if (root / name).is_dir():
            shutil.rmtree(into / name, ignore_errors=True)
            shutil.copytree(root / name, into / name, ignore=_LEFT_OUT)
        else:
            shutil.copy(root / name, into / name)
    for path in (into / "app" / paths).rglob("*.py"):
        path.write_text(opened(path.read_text("utf-8")), "utf-8")
    ignored = ", ".join(f'"--ignore={path}"' for path in _IGNORED.get(paths, ()))
    with (into / "pyproject.toml").open("a", encoding="utf-8") as pyproject:
        pyproject.write(_MUTMUT.format(paths=paths, ignored=ignored))
    (into / "pytest.ini").write_text(_PYTEST_INI, "utf-8")


def _forget(root: Path, earlier: Path) -> None:
    """What an earlier run knew of tests, and of files that are gone."""
    shutil.rmtree(earlier / "tests", ignore_errors=True)
    (earlier / "mutmut-stats.json").unlink(missing_ok=True)
    for meta in earlier.rglob("*.py.meta"):
        if not (root / meta.relative_to(earlier).with_suffix("")).is_file():
            meta.unlink()
            meta.with_suffix("").unlink(missing_ok=True)
