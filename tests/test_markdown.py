from moongate.markdown import escaped, table


def test_nothing_of_a_stranger_acts_as_markup() -> None:
    hostile = "<img src=x onerror=alert(1)> **b** [x](javascript:1) | www.example.com\n# head"
    shown = escaped(hostile)
    assert "\n" not in shown
    assert all(shown[shown.index(mark) - 1] == "\\" for mark in "<*[|#.")


def test_a_cell_cannot_begin_another_one() -> None:
    *_, row = table(("file", "remark"), [("a|b.png", "x")]).splitlines()
    assert row == r"| a\|b\.png | x |"
