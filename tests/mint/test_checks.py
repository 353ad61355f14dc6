import pytest

from mint.checks import report_all, require


def test_all_checks_are_run_and_all_that_are_broken_reported() -> None:
    ran = []

    def passing() -> None:
        ran.append("passing")

    def failing() -> None:
        require(False, "three is not four.")

    def crashing() -> None:
        raise ZeroDivisionError("by nothing")

    checks = [("counts", failing), ("divides", crashing), ("passes", passing)]
    with pytest.raises(AssertionError) as caught:
        report_all("the thing", checks)
    assert str(caught.value).splitlines() == [
        "the thing breaks 2 of its checks:",
        "- counts: three is not four.",
        "- divides: ZeroDivisionError: by nothing",
    ]
    assert ran == ["passing"]
    report_all("the thing", checks[2:])
