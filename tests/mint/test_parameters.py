from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from mint.parameters import InputError, nearest, require_number, require_word, said, users_place


def test_the_nearest_names_are_listed_the_most_similar_first_in_any_case() -> None:
    assert nearest("DGO", ["cat", "Dog", "dodo", "horse"]) == "Dog, dodo, horse"
    assert nearest("x", ["alpha"]) == "alpha"
    assert nearest("mint", ["hint", "mint", "lime"], most=2) == "mint, hint"
    assert nearest("anything", []) == ""


def caught(call: Callable[[], Any]) -> Exception:
    try:
        call()
    except Exception as error:
        # The first step is this function's own.
        return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    raise AssertionError("no error")


def mine() -> None:
    sorted([1, 2], key=lambda each: each.nothing)


def test_an_error_is_quoted_in_one_line_with_the_last_place_in_a_user_s_code() -> None:
    line = mine.__code__.co_firstlineno + 1
    assert said(caught(mine)) == (
        f"AttributeError: 'int' object has no attribute 'nothing' (in mine.<locals>.<lambda>, "
        f"tests/mint/test_parameters.py line {line})"
    )
    assert said(ValueError("two\n lines.")) == "ValueError: two lines"
    assert len(said(ValueError("long" * 1000))) < 600


def test_libraries_are_no_user_s_code() -> None:
    import json

    assert users_place(caught(json.JSONDecoder().decode.__get__("{"))) == ""


@pytest.mark.parametrize(("package", "users"), [("benchmarks", False), ("theirs", True), ("", True), (None, True)])
def test_a_module_that_python_m_runs_is_its_package_s(package: str | None, users: bool) -> None:
    module: dict[str, Any] = {"__name__": "__main__", "__package__": package}
    exec("def fail(): raise RuntimeError", module)
    assert bool(users_place(caught(module["fail"]))) == users


def test_what_cannot_take_its_arguments_is_named_where_it_is_defined() -> None:
    error = TypeError("mine() takes 0 positional arguments but 1 was given")
    assert said(error, mine).endswith(f"(in mine, tests/mint/test_parameters.py line {mine.__code__.co_firstlineno})")
    assert said(error, sorted) == said(error, None) == "TypeError: mine() takes 0 positional arguments but 1 was given"


@pytest.mark.parametrize("value", [10**400, -(10**400), Fraction(10**400, 3), float("inf"), True, "1", None])
def test_what_no_float_can_hold_is_no_number(value: object) -> None:
    with pytest.raises(InputError, match="it is a number 0 or more, not "):
        require_number("it", value, 0)


@pytest.mark.parametrize("value", [np.array(["a", "b"]), np.array(["a"]), torch.ones(2), ["a"], None, "c"])
def test_only_a_word_is_a_word(value: object) -> None:
    with pytest.raises(InputError, match="it is one of 'a', 'b', False, not "):
        require_word("it", value, ("a", "b", False))
    require_word("it", np.str_("a"), ("a", "b", False))
