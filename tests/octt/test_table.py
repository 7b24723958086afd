"""docs/octt.md says what is there, and every case has a test or a reason."""

from table import PAGE, cases, found_tests, page


def test_the_table_is_up_to_date() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "run python tests/octt/table.py"


def test_every_case_has_a_test_or_a_reason_and_not_both() -> None:
    found = found_tests()
    for case in cases():
        assert (case.id in found) != bool(case.why_not), case


def test_every_test_is_of_a_case() -> None:
    assert found_tests().keys() <= {case.id for case in cases()}
