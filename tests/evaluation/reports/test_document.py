"""The frame and the small parts of every page."""

import base64
import io

import torch
from PIL import Image
from vemo.evaluation.reports.document import (
    Markup,
    number,
    section,
    share,
    table,
    thumbnail,
    write_document,
)


def test_a_document_is_whole_and_its_title_is_text(tmp_path, read):
    path = tmp_path / "below" / "page.html"
    write_document(path, "<b>Title</b> & more", "lead", section("One <two>", "<p>x</p>", 1234, "one"), "foot")
    page = read(path)
    assert "<b>Title</b> & more" in page.text and "One <two>" in page.text and "1,234" in page.text
    assert page.all("section", id="one") and not page.all("b")
    assert section("Nothing", "") == ""
    html = path.read_text("utf-8")
    assert "@media screen and (prefers-color-scheme: dark)" in html and "url(" not in html


def test_tables_escape_text_and_keep_markup(read):
    html = table(("a<b", "n"), [("<i>x</i>", 1234), (Markup("<i>y</i>"), 0.12345), (None, float("nan"))])
    page = read(html)
    assert "&lt;i&gt;x&lt;/i&gt;" in html and "a&lt;b" in html and len(page.all("i")) == 1
    assert page.text == "a<b n <i>x</i> 1,234 y 0.123 – –"
    assert table(("a",), []) == ""


def test_a_grouped_table_says_each_name_once(read):
    rows = [("x", 1), ("x", 2), ("y", 3), ("x", 4)]
    assert read(table(("name", "n"), rows, grouped=True)).text == "name n x 1 2 y 3 x 4"


def test_numbers():
    assert (
        number(-0.0004) == "0.000" and number(-0.5, 1) == "−0.5" and number(0.25, 2, signed=True) == "+0.25"
    )
    assert number(None) == number(float("nan")) == share(None) == share(float("nan")) == "–"
    assert share(0.125, 1) == "12.5%"


def test_thumbnails_are_small_and_named():
    image = torch.zeros(3, 60, 240, dtype=torch.uint8)
    image[0] = 255
    tag = thumbnail(image.permute(1, 2, 0).contiguous().permute(2, 0, 1), 'a"b<c', side=80)
    assert 'alt="a&quot;b&lt;c"' in tag
    shown = Image.open(io.BytesIO(base64.b64decode(tag.split("base64,")[1].split('"')[0])))
    assert shown.size == (80, 20) and shown.getpixel((40, 10))[0] > 240 and shown.getpixel((40, 10))[1] < 20
