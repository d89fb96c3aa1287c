"""The flows read as sentences, and the house keeps its sizes."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    path
    for folder in ("flows", "pipelines", "knowledge", "evals", "faults")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
FLOWS = {
    node.name: node
    for path in sorted((ROOT / "flows").glob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef)
    and any(isinstance(each, ast.Call) and getattr(each.func, "id", "") == "flow" for each in node.decorator_list)
}


def test_the_flows_are_those_the_doors_name() -> None:
    assert set(FLOWS) == {"nightly", "ingest", "check", "freshness", "evaluate", "take_runs"}


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_a_flow_has_no_loop_and_no_branch(name: str) -> None:
    found = [type(each).__name__ for each in ast.walk(FLOWS[name]) if isinstance(each, ast.For | ast.While | ast.If)]
    assert found == []
    assert ast.get_docstring(FLOWS[name])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_keeps_to_300_lines_and_a_function_to_50(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    functions = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef)]
    assert {each.name for each in functions if (each.end_lineno or 0) - each.lineno > 50} <= {"upgrade"}
