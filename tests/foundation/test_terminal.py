"""Tables: Markdown that Markdown readers take, drawn only where somebody looks at a terminal."""

import re
import sys

from vemo.foundation.terminal import markdown_table, table_text

HEADER = ["class", "images", "share"]
ROWS = [["awe", 1200, "12.5 %"], ["anger", 7, "0.1 %"]]


def test_numbers_stand_to_the_right() -> None:
    assert markdown_table(HEADER, ROWS).splitlines() == [
        "| class | images |  share |",
        "| ----- | -----: | -----: |",
        "| awe   |  1,200 | 12.5 % |",
        "| anger |      7 |  0.1 % |",
    ]


def test_a_column_of_words_and_numbers_is_one_of_words() -> None:
    assert markdown_table(["a", "b"], [["x", 1], ["y", "none"]]).splitlines()[1] == "| --- | ---- |"
    assert markdown_table(["a"], []).splitlines() == ["| a   |", "| --- |"]
    assert markdown_table(["a"], [[1234.56]]).splitlines()[2] == "| 1,234.6 |"


def test_cells_cannot_break_the_table() -> None:
    row = markdown_table(["a", "b"], [["one|two", "line\nbreak"]]).splitlines()[-1]
    assert row == r"| one\|two | line break |"


def test_drawn_on_a_terminal(monkeypatch) -> None:
    assert table_text(HEADER, ROWS) == markdown_table(HEADER, ROWS)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    drawn = table_text(HEADER, ROWS, ["green", "red"])
    assert "\x1b[32m" in drawn and "\x1b[31m" in drawn
    plain = re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert "│ awe   │  1,200 │ 12.5 % │" in plain
