"""The table of cases in docs/octt.md, made of cases.csv and of the tests themselves.

`python tests/octt/table.py` writes it; test_table.py fails when it no longer says what is there.
"""

import ast
import csv
import pathlib
from dataclasses import dataclass

FOLDER = pathlib.Path(__file__).resolve().parent
PAGE = FOLDER.parent.parent / "docs" / "octt.md"
BEGIN, END = "<!-- table of cases: begin -->\n", "<!-- table of cases: end -->\n"

#: The certification status of a case, as OCPP 2.0.1 part 5 gives it.
STATUS = {"M": "mandatory", "C": "optional", "": ""}


@dataclass(frozen=True)
class Case:
    """A case of the compliance tool for a central system."""

    id: str
    #: The OCPP versions it exists for.
    versions: tuple[str, ...]
    status: str
    title: str
    #: Why no test is here.
    why_not: str


@dataclass(frozen=True)
class Found:
    """A test that is named after a case."""

    file: str
    #: Why it fails today, when it does.
    fails: str | None


def cases() -> list[Case]:
    """Every case that is known."""
    with (FOLDER / "cases.csv").open(newline="") as lines:
        return [
            Case(
                row["id"], tuple(row["versions"].split()), row["status"], row["title"],
                row["why_not"],
            )
            for row in csv.DictReader(lines)
        ]  # fmt: skip


def found_tests() -> dict[str, Found]:
    """The tests that there are, by the ids of their cases."""
    found: dict[str, Found] = {}
    for path in sorted(FOLDER.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_TC_"):
                id_ = node.name.removeprefix("test_")
                assert id_ not in found, f"{id_} is in {found[id_].file} and in {path.name}"
                found[id_] = Found(path.name, expected_failure(node))
    return found


def expected_failure(test: ast.AsyncFunctionDef) -> str | None:
    """The reason of the `xfail` mark of a test."""
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.xfail":
            reasons = [word.value for word in mark.keywords if word.arg == "reason"]
            return str(ast.literal_eval(reasons[0]))
    return None


def outcome(case: Case, found: dict[str, Found]) -> str:
    """What the table says of a case."""
    test = found.get(case.id)
    if test is None:
        return f"none: {case.why_not}"
    link = f"[{test.file.removesuffix('.py')}](../tests/octt/{test.file})"
    return link if test.fails is None else f"{link}, fails: {test.fails}"


def table() -> str:
    """The whole table, as Markdown."""
    found = found_tests()
    parts = []
    for heading, wanted in (
        ("OCPP 1.6", lambda case: "1.6" in case.versions),
        ("OCPP 2.0.1", lambda case: "2.0.1" in case.versions),
        ("Only in OCPP 2.1", lambda case: case.versions == ("2.1",)),
    ):
        chosen = [case for case in cases() if wanted(case)]
        passing = [c for c in chosen if c.id in found and found[c.id].fails is None]
        parts.append(f"\n## {heading}: {len(passing)} of {len(chosen)}\n\n")
        parts.append("| Case | What | | Test |\n|---|---|---|---|\n")
        for case in chosen:
            title = case.title.replace("|", "/")
            parts.append(
                f"| {case.id} | {title} | {STATUS[case.status]} | {outcome(case, found)} |\n"
            )
    return "".join(parts)


def page(text: str) -> str:
    """The page with its table made anew."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + table() + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
