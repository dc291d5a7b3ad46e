"""What the generator makes, and a parser that refuses pages that are not whole or not alone."""

import runpy
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

EMPTY = {"meta", "img", "br"}


class Page(HTMLParser):
    """Tags must be balanced; nothing may be loaded; `text` is what a reader sees, `tags` what there is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href"):
            where = attributes.get(name, "")
            assert not where or where.startswith(("data:image/jpeg;base64,", "#", "cells/")), where
        assert not any(name.startswith("on") for name in attributes)
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag, **attributes):
        """The attributes of each `tag` that has these; class_ stands for class."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [each for kind, each in self.tags if kind == tag and wanted.items() <= each.items()]


@pytest.fixture(scope="session")
def made():
    """The generator's names: made.make_report(), made.make_predictions(kind, space)."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made.py"))))


@pytest.fixture
def report(made):
    return made.make_report()


@pytest.fixture(scope="session")
def read():
    """HTML text or file → Page."""
    return lambda html: Page(html.read_text("utf-8") if isinstance(html, Path) else html)
