"""Progress without a terminal: few plain lines on standard error, true counts and speeds."""

import io
import sys

import pytest
from vemo.foundation import progress
from vemo.foundation.progress import Progress, format_fields, format_seconds, track


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until told otherwise."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_plain_lines_come_every_ten_seconds_and_at_the_end(clock, capsys):
    with Progress("pretrain", total=1000) as bar:
        for _ in range(10):
            clock[0] += 2.5
            bar.update(100, loss=1.23456, lr=1e-4)
    assert capsys.readouterr().err.splitlines() == [
        "pretrain: 400/1,000 images  loss 1.235  lr 0.0001  40.0 images/s  ETA 0:00:15",
        "pretrain: 800/1,000 images  loss 1.235  lr 0.0001  40.0 images/s  ETA 0:00:05",
        "pretrain: 1,000/1,000 images  loss 1.235  lr 0.0001  40.0 images/s  25 s",
    ]


def test_what_an_earlier_run_did_counts_but_not_as_speed(clock):
    with Progress("pretrain", total=1000, start=500, enabled=False) as bar:
        clock[0] += 10
        bar.update(100)
        assert bar.done == 600
        assert bar.per_second == pytest.approx(10)
        assert bar.seconds_left == pytest.approx(40)


def test_track_yields_everything_and_counts_it(capsys):
    assert list(track(["a", "b"], "reading", unit="rows")) == ["a", "b"]
    assert capsys.readouterr().err.startswith("reading: 2/2 rows")
    assert list(track(iter("abc"), "reading")) == ["a", "b", "c"]
    assert capsys.readouterr().err.startswith("reading: 3 images")


def test_a_disabled_bar_is_silent(capsys):
    with Progress("pretrain", total=2, enabled=False) as bar:
        bar.update(2)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_live_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress("pretrain", total=1000) as bar:
        bar.update(1000, loss=2.5)
    written = sys.stderr.getvalue()
    assert "1000/1000" in written
    assert "/s" in written
    assert "loss 2.5" in written


def test_formats():
    assert format_fields({"loss": 0.123456, "step": 12, "note": "x"}) == "loss 0.1235  step 12  note x"
    assert format_seconds(3725.4) == "1:02:05"
