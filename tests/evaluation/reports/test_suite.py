"""The suite's page, Markdown and table: who leads by enough, what is missing, where links lead."""

import sys
from types import SimpleNamespace

import pytest
from vemo.evaluation.reports import log_suite, suite_markdown, suite_table, write_suite_page
from vemo.evaluation.reports.suite_table import headlines, leader, tally, verdict


def comparison(report, task, second, protocol="linear"):
    return next(
        each
        for each in report["comparisons"]
        if (each["task"], each["second"], each["protocol"], each["variant"]) == (task, second, protocol, "")
    )


def mean_of(report, task, encoder, protocol="linear"):
    row = next(
        each
        for each in report["rows"]
        if (each["task"], each["encoder"], each["protocol"]) == (task, encoder, protocol)
    )
    return row["scores"][report["tasks"][task]["main"]]


def test_a_verdict_needs_interval_and_p_and_knows_the_direction(report):
    each = comparison(report, "postcards", "mae")
    each["difference"], each["p_holm"] = {"value": 0.1, "low": 0.05, "high": 0.15, "p": 0.0}, 0.001
    assert verdict(report, each) == "ahead"
    each["task"] = "lanterns"  # KL: lower is better
    assert verdict(report, each) == "behind"
    each["p_holm"] = 0.05
    assert verdict(report, each) == "undecided"
    each["p_holm"], each["difference"]["low"] = None, 0.0
    assert verdict(report, each) == "undecided"


def test_bold_is_earned(report):
    assert leader(report, "linear", "murals") == "clip"  # above the reference beyond the interval
    assert leader(report, "linear", "postcards") is None  # the reference is best, but clip is too near
    assert leader(report, "finetune", "lanterns") == "uniemox"  # lowest KL, beyond all others
    comparison(report, "murals", "clip")["p_holm"] = 0.2
    assert leader(report, "linear", "murals") is None
    near = comparison(report, "lanterns", "supervised", "finetune")
    near["difference"] |= {"low": -0.01, "high": 0.01}
    assert leader(report, "finetune", "lanterns") is None
    mean_of(report, "murals", "clip")["mean"] = float("nan")
    assert leader(report, "linear", "murals") == "uniemox"  # ahead of all others that have a number
    assert tally(report, "linear")["mae"] == {"ahead": 6, "behind": 0, "undecided": 0}


def test_headlines_hold_what_was_measured(report):
    found = {each.protocol: each for each in headlines(report)}
    assert list(found) == ["linear", "neighbours", "finetune"]
    assert found["neighbours"].tasks == ("postcards", "murals", "harbour")
    assert found["finetune"].encoders == ("uniemox", "mae", "supervised")
    cell = found["linear"].cells["murals", "clip"]
    assert cell.best and cell.main(report)["mean"] == mean_of(report, "murals", "clip")["mean"]
    report["rows"] = [row for row in report["rows"] if (row["task"], row["encoder"]) != ("murals", "mae")]
    report["absent"].append(
        {"task": "murals", "encoder": "mae", "protocol": "linear", "variant": "", "reason": "out of memory"}
    )
    lost = headlines(report)[0].cells["murals", "mae"]
    assert lost.row is None and lost.reason == "out of memory" and lost.main(report) is None


@pytest.fixture
def page(report, tmp_path, read):
    for row in report["rows"][:2]:
        for cell in row["cells"]:
            (tmp_path / cell).mkdir(parents=True)
            (tmp_path / cell / "index.html").touch()
    write_suite_page(tmp_path, report)
    return read(tmp_path / "index.html")


def test_the_page_says_all_that_the_report_says(page, report):
    for task in report["tasks"].values():
        assert task["title"] in page.text
    for encoder in report["encoders"].values():
        assert encoder["title"] in page.text
    assert "Ask the authors by their form" in page.text
    assert "no label map mikels8 → fer7" in page.text and "neighbours vote for one class" in page.text
    assert "12 of 3,497 test samples also occur in training" in page.text
    assert "2 of 3 seeds" in page.text
    assert "Somebody et al. 0.701 accuracy" in page.text and "UniEmoX not filled in" in page.text
    assert "Nobody et al. 0.520" in page.text
    assert "0.110 → 0.088" in page.text and "not in training" in page.text
    found = mean_of(report, "meadows", "mae")
    assert (
        f"{found['mean']:.3f} ±{found['deviation']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
        in page.text
    )
    bold = [each for each in page.all("td") if each.get("title", "").startswith("macro-F1")]
    assert any("seeds: " in each["title"] for each in bold)


def test_links_lead_only_to_pages_that_are_there(page, report):
    cells = {f"{cell}/index.html" for row in report["rows"][:2] for cell in row["cells"]}
    links = {each["href"] for each in page.all("a") if not each["href"].startswith("#")}
    assert links == cells
    anchors = {each["href"][1:] for each in page.all("a") if each["href"].startswith("#")}
    assert anchors == {each["id"] for each in page.all("section")}


def test_curves_reach_to_everything_and_matrices_have_a_diagonal(page, report):
    charts = [each for each in page.all("svg") if "by part of the training split" in each["aria-label"]]
    assert len(charts) == 6
    framed = [each for each in page.all("td") if "own" in each.get("class", "").split()]
    assert len(framed) == 3 * 5
    assert all(each["style"] == "--h:1.000" for each in framed)
    assert page.words.count("100 %") == 6 and page.words.count("1 %") == 6
    assert any(each.get("title") == "no label map mikels8 → fer7" for each in page.all("td"))


def test_failures_come_first_and_are_not_mistaken_for_nonsense(report, tmp_path, read):
    write_suite_page(tmp_path, report)
    page = read(tmp_path / "index.html")
    assert "ailed" not in page.text and "1, 2, 3 neighbours vote for one class" in page.text
    report["absent"][0] |= {"kind": "failed", "reason": "shard <damaged>"}
    write_suite_page(tmp_path, report)
    page = read(tmp_path / "index.html")
    assert "Failed: 1; see why" in page.text and "failed : shard <damaged>" in page.text


def test_slices_name_the_score_they_are_in(page):
    assert "Postcards accuracy not in training 3,485" in page.text
    assert "Lanterns KL not in training 3,485" in page.text


def test_linear_protocols_of_unknown_settings_are_not_mixed_in(report, tmp_path, read):
    report["protocols"] = {name: {"kind": each["kind"]} for name, each in report["protocols"].items()}
    write_suite_page(tmp_path, report)
    page = read(tmp_path / "index.html")
    assert "100 %" not in page.words and page.words.count("50 %") == 6
    cells = [each for each in page.all("td") if "--h" in each.get("style", "")]
    assert all(each["style"] == "--h:0.000" for each in cells)


def test_a_small_suite_has_no_empty_sections(report, tmp_path, read):
    rows = [row for row in report["rows"] if (row["protocol"], row["encoder"]) == ("linear", "uniemox")]
    for row in rows:
        row |= {"seeds": [1], "missing_seeds": [], "slices": [], "calibration": None}
    report |= {"rows": rows, "comparisons": [], "absent": [], "published": [], "seeds": [1]}
    report["protocols"] = {"linear": report["protocols"]["linear"]}
    report["encoders"] = {"uniemox": report["encoders"]["uniemox"]}
    del report["tasks"]["theatre"]
    write_suite_page(tmp_path, report)
    page = read(tmp_path / "index.html")
    assert [each["id"] for each in page.all("section")] == ["results", "tasks"]
    assert not page.all("b") or "±" not in page.text.split("Mean ±")[0]


def test_names_that_look_like_markup_stay_text(report, tmp_path, read):
    report["title"] = report["encoders"]["mae"]["title"] = report["tasks"]["murals"]["title"] = (
        "<b>|x|</b> & *y*"
    )
    report["absent"][0]["reason"] = report["published"][0]["model"] = "<i>"
    write_suite_page(tmp_path, report)
    assert "<b>|x|</b> & *y*" in read(tmp_path / "index.html").text
    lines = suite_markdown(report).splitlines()
    assert lines[0] == "# \\<b\\>|x|\\</b\\> & \\*y\\*"
    tables = [line for line in lines if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in tables if "Murals" not in line}) <= 2


def test_markdown_has_the_same_tables(report):
    text = suite_markdown(report)
    found = mean_of(report, "murals", "clip")
    bold = f"**{found['mean']:.3f}** ±{found['deviation']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
    assert bold in text and text.endswith("\n")
    assert "UniEmoX ViT-B (reference)" in text and "UniEmoX not filled in" in text
    assert "- UniEmoX ViT-B against CLIP ViT-B: ahead on 0, behind on 1, undecided on 5 tasks." in text
    assert "Lanterns, KL ↓" in text and "Theatre \\<stage\\>" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == (6 + 2) + (3 + 2) + (6 + 2)


def test_the_table_has_a_row_for_every_score(report):
    columns, rows = suite_table(report)
    assert len(rows) == sum(len(row["scores"]) for row in report["rows"])
    first = dict(zip(columns, rows[0]))
    assert first["task"] == "postcards" and first["main"] is True and first["seeds"] == 2
    assert first["mean"] == report["rows"][0]["scores"]["macro_f1"]["mean"] and first["low"] is not None
    second = dict(zip(columns, rows[1]))
    assert second["main"] is False and second["low"] is None


def test_wandb_gets_one_run_with_the_table(report, tmp_path, monkeypatch):
    logged, finished, started = [], [], {}
    run = SimpleNamespace(log=logged.append, finish=lambda: finished.append(True))

    def init(**arguments):
        started.update(arguments)
        return run

    wandb = SimpleNamespace(init=init, Table=lambda columns, data: (columns, data))
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    log_suite(report, "emotions", folder=tmp_path)
    assert started["mode"] == "offline" and started["project"] == "emotions" and started["dir"] == tmp_path
    (entry,) = logged
    assert (entry["suite"][0], entry["suite"][1]) == suite_table(report) and finished == [True]
