from mint.parameters import nearest


def test_the_nearest_names_are_listed_the_most_similar_first_in_any_case() -> None:
    assert nearest("DGO", ["cat", "Dog", "dodo", "horse"]) == "Dog, dodo, horse"
    assert nearest("x", ["alpha"]) == "alpha"
    assert nearest("mint", ["hint", "mint", "lime"], most=2) == "mint, hint"
    assert nearest("anything", []) == ""
