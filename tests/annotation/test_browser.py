"""A person at the App, in a real browser: filter, relabel one, tag one, relabel several; the edits are those.

Where Chromium or Playwright is missing, `test_round_trip` does the same over HTTP.
"""

import json
import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
PATIENCE = 240_000  # milliseconds, for a busy machine
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of Debian's Chromium (or $CHROMIUM) that reaches nothing but this machine."""
    if find_spec("playwright") is None:
        pytest.skip(
            "Playwright is not installed (`pip install playwright`; it brings no browser and needs none)"
        )
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the PATH, and $CHROMIUM is not set")
    from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-cy")
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", OFFLINE]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_default_timeout(PATIENCE)
        dismiss = page.get_by_text("Dismiss", exact=True)
        page.add_locator_handler(page.get_by_text("Accelerate your workflow"), lambda: dismiss.click())
        yield page
        browser.close()


@pytest.fixture
def config(real_mongod: Path, pack, tmp_path: Path, monkeypatch) -> Path:
    """Six samples of awe and two of fear."""
    monkeypatch.setenv("MONGOD_BIN", str(real_mongod))
    kinds = ["awe"] * 6 + ["fear"] * 2
    pack({"train": [{"labels": {"mikels8": {"class": name}}} for name in kinds]})
    settings = {"shards": "toy", "folder": "home", "media": "media", "port": 0}
    (tmp_path / "curate.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "curate.yaml"


def test_a_person_at_the_app(config: Path, opened, edits, page: Any, tmp_path: Path) -> None:
    session = opened(config, "--rater", "ann")
    page.goto(f"{session.app}/datasets/{session.name}")
    lookers = page.locator("[data-cy=fo-grid] [data-cy=looker]")
    counts = page.get_by_test_id("entry-counts")
    lookers.first.wait_for()
    counts.filter(has_text="8 samples").wait_for()

    page.get_by_test_id("sidebar-field-arrow-enabled-emotion").click()
    choices = page.get_by_test_id("categorical-filter-emotion.label")
    choices.get_by_test_id("checkbox-fear").click()
    counts.filter(has_text="2 of 8 samples").wait_for()

    lookers.first.click(position={"x": 60, "y": 80})
    modal = page.get_by_test_id("modal")
    modal.wait_for()
    page.get_by_test_id("annotate").click()
    page.locator("[data-cy^=annotate-label-]").first.click()
    page.get_by_role("radio", name="anger", exact=True).click()
    wait_until(page, lambda: session.find("toy/train_6")["emotion"]["label"] == "anger")
    page.mouse.click(10, 450)  # beside the sample: closes it
    modal.wait_for(state="hidden")

    counts.filter(has_text="1 of 8 samples").wait_for()
    choices.get_by_test_id("checkbox-fear").click()
    counts.filter(has_text="8 samples").wait_for()
    select(page, lookers, [0])
    page.get_by_test_id("fo-grid-actions").get_by_test_id("action-tag-sample-labels").click()
    tags = page.get_by_test_id("popout").get_by_test_id("sample-tag-input")
    page.get_by_test_id("popout").get_by_text("No tags").or_(tags).first.wait_for()
    page.wait_for_timeout(3000)  # what is typed before the list of tags has come is lost
    tags.fill("odd")
    tags.press("Enter")
    page.get_by_test_id("button-Apply").click()
    wait_until(page, lambda: session.find("toy/train_0")["tags"] == ["odd"])

    page.reload()
    lookers.first.wait_for()
    select(page, lookers, [1, 2])
    page.get_by_test_id("action-browse-operations").click()
    page.get_by_test_id("operators-browser-search").fill("vemo")
    page.get_by_text("vemo: give a class, with a reason").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").click()
    page.get_by_role("option", name="sadness", exact=True).click()
    dialog.get_by_role("textbox").last.fill("grey")
    dialog.get_by_role("button", name="Execute").click()
    wait_until(page, lambda: session.find("toy/train_2")["emotion"]["label"] == "sadness")

    done = edits(config, "ann.jsonl", rater="")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (tmp_path / "ann.jsonl").read_text().splitlines()]
    assert [(each["id"], each["set"], each["why"]) for each in found] == [
        ("toy/train_0", {"attributes.review_tags": ["odd"]}, "curated in the FiftyOne App"),
        ("toy/train_1", {"labels.mikels8.class": "sadness"}, "grey"),
        ("toy/train_2", {"labels.mikels8.class": "sadness"}, "grey"),
        ("toy/train_6", {"labels.mikels8.class": "anger"}, "curated in the FiftyOne App"),
    ]
    assert {each["by"] for each in found} == {"ann"}


def select(page: Any, lookers: Any, places: list[int]) -> None:
    """Select samples of the grid, first of all none."""
    for place in places:
        lookers.nth(place).hover()
        lookers.nth(place).locator("[data-cy^=looker-checkbox-]").first.click()
    page.get_by_test_id("action-manage-selected").filter(has_text=str(len(places))).wait_for()


def wait_until(page: Any, condition: Any) -> None:
    """Wait as the page does: a plain sleep would keep its requests from leaving."""
    for _ in range(PATIENCE // 500):
        if condition():
            return
        page.wait_for_timeout(500)
    raise AssertionError("the App did not save it in time")
