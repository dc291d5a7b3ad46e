"""docs/label-spaces.md says what the data files say."""

from pathlib import Path

import vemo
from vemo.datasets.label_page import label_page

PAGE = Path(vemo.__file__).parent / "docs" / "label-spaces.md"


def test_the_page_is_up_to_date():
    mend = f"write vemo.datasets.label_page.label_page() to {PAGE.name}"
    assert PAGE.read_text(encoding="utf-8") == label_page(), mend
