from focusfix.cli.tables import format_facts, format_table


def test_columns_are_aligned():
    assert format_table(("a", "long"), [("xyz", 1), (None, "q")]).splitlines() == [
        "a    long",
        "xyz  1",
        "-    q",
    ]


def test_unknown_facts_are_left_out():
    assert (
        format_facts("head", {"one": 1, "none": None, "three": 3}) == "head\n  one    1\n  three  3"
    )
