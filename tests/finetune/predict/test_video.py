"""Frames of videos: their times, how they are turned, what is missing, and that length costs no memory."""

import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from vemo.finetune.predict import load_model
from vemo.finetune.predict.looks import Pictures
from vemo.finetune.predict.run import results
from vemo.finetune.predict.sources import Pace, frames_of
from vemo.finetune.predict.video import displayed, video_frames
from vemo.foundation import UserError


def grey(count, size=(48, 64)):
    """Frames whose brightness says which they are."""
    return [np.full((*size, 3), 20 + 200 * place // count, np.uint8) for place in range(count)]


def times(frames):
    return [round(frame.time, 3) for frame in frames if frame.image is not None]


def test_a_constant_rate(write_video, tmp_path):
    path = write_video(tmp_path / "film.mp4", grey(30))
    found = list(video_frames(path, None))
    assert times(found) == [round(0.1 * place, 3) for place in range(30)]
    assert [frame.number for frame in found] == list(range(30))
    assert all(frame.reason is None and frame.image.shape == (3, 48, 64) for frame in found)
    shades = [int(frame.image.float().mean()) for frame in found]
    assert np.abs(np.array(shades) - [int(each.mean()) for each in grey(30)]).max() <= 4
    assert times(video_frames(path, 0.5)) == [0, 0.5, 1, 1.5, 2, 2.5]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_at_unequal_distances_have_their_own_times(write_video, tmp_path, suffix):
    moments = [0, 0.04, 0.08, 1.2, 1.24, 1.3, 4.0, 4.5]
    path = write_video(tmp_path / f"film{suffix}", grey(8), rate=25, times=moments)
    assert times(video_frames(path, None)) == moments
    assert times(video_frames(path, 1.0)) == [0, 1.2, 4.0]  # the first in each second that has one
    assert all(frame.reason is None for frame in video_frames(path, None))


def test_pace_takes_the_first_frame_at_or_after_each_multiple():
    pace = Pace(0.5)
    assert [time for time in (0.1, 0.3, 0.4999999, 0.6, 0.99, 1.7, 1.9, 2.0, None) if pace.due(time)] == [
        *(0.1, 0.4999999, 1.7, 2.0, None),
    ]


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_film_is_turned_as_it_says(write_video, tmp_path, degrees):
    """The display matrix turns counter-clockwise by FFmpeg's `degrees`."""
    pixels = np.full((48, 64, 3), 60, np.uint8)
    pixels[:16, :16] = 230  # the top left corner
    path = write_video(tmp_path / "film.mp4", [pixels] * 3, rotation=degrees)
    found = next(video_frames(path, None)).image.permute(1, 2, 0).numpy().astype(int)
    wanted = np.rot90(pixels, degrees // 90).astype(int)
    assert found.shape == wanted.shape and np.abs(found - wanted).mean() < 8


def test_every_display_matrix_of_quarter_turns_and_mirrors():
    pixels = np.arange(6 * 3).reshape(2, 3, 3)
    one = 1 << 16
    wanted = {
        (one, 0, 0, one): pixels,
        (-one, 0, 0, one): pixels[:, ::-1],
        (one, 0, 0, -one): pixels[::-1],
        (0, one, -one, 0): np.rot90(pixels, -1),  # x' = −y, y' = x: a quarter turn clockwise
        (0, -one, one, 0): np.rot90(pixels, 1),
        (0, one, one, 0): pixels.transpose(1, 0, 2),
    }
    for (a, b, c, d), expected in wanted.items():
        matrix = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32)
        np.testing.assert_array_equal(displayed(pixels, matrix), expected)


def test_a_film_that_was_cut_off_says_where(write_video, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3)).astype(np.uint8)
    whole = write_video(tmp_path / "whole.mp4", noise, movflags="faststart").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    *frames, last = video_frames(path, None)
    assert 10 < len(frames) < 30 and times(frames) == [round(0.1 * place, 3) for place in range(len(frames))]
    assert last.image is None and last.rest
    assert last.reason.startswith(f"ended early: after {len(frames) / 10:.2f} of 4.00 s")


def test_damage_within_a_film_is_passed_over_and_said(write_video, tmp_path):
    av = pytest.importorskip("av")
    noise = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3)).astype(np.uint8)
    path = write_video(tmp_path / "film.mp4", noise)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    start, size = packets[7]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    *frames, last = video_frames(path, None)
    assert len(frames) >= 18 and frames[-1].time == pytest.approx(1.9)
    assert last.image is None and "faults, the first:" in last.reason


@pytest.mark.parametrize("content", [b"", b"no film at all", b"\0" * 5000])
def test_what_is_no_film(tmp_path, content):
    pytest.importorskip("av", reason="videos are read with PyAV: pip install 'vemo[video]'")
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    (only,) = video_frames(path, 0.5)
    assert only.image is None and not only.rest and "can be opened" in only.reason


def test_without_pyav_a_film_is_a_row_that_says_so(monkeypatch, tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"film")
    monkeypatch.setitem(sys.modules, "av", None)
    (only,) = frames_of((str(tmp_path),), 0.5)
    assert only.reason == "videos need PyAV: pip install 'vemo[video]'"


def test_memory_stays_flat_over_a_long_film(write_video, tmp_path, make_model):
    """2,000 frames of 57.6 kB: were they held, 115 MB."""
    heads = {"emotion": {"kind": "single", "space": "mikels8"}}
    predictor = load_model(make_model(heads))
    noise = np.random.default_rng(0).integers(0, 255, (4, 120, 160, 3)).astype(np.uint8)
    path = write_video(tmp_path / "film.mp4", (noise[place % 4] for place in range(2000)), rate=25)
    process, held, count = psutil.Process(), [], 0
    for frame, rows in results(video_frames(path, None), Pictures(predictor), predictor, keep=True):
        count += 1
        assert frame.image is not None and rows[0].status == "ok"
        if count % 500 == 0:
            held.append(process.memory_info().rss)
    assert count == 2000
    assert held[-1] - held[0] < 30e6, held


class Camera:
    """Three frames of blue (BGR), then none."""

    def __init__(self, number):
        self.number, self.left, self.released = number, 3, False

    def isOpened(self):
        return self.number == 0

    def read(self):
        self.left -= 1
        return (True, np.full((4, 6, 3), (255, 0, 0), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        self.released = True


def test_a_camera(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace(VideoCapture=Camera))
    *frames, last = frames_of(("webcam:0",), None)
    assert [frame.number for frame in frames] == [0, 1, 2] and all(frame.live for frame in frames)
    assert frames[0].image[:, 0, 0].tolist() == [0, 0, 255]
    assert last.reason == "the camera gives no more frames" and last.rest
    with pytest.raises(UserError, match="OpenCV finds no such camera"):
        next(frames_of(("webcam:1",), None))
    with pytest.raises(UserError, match="give the camera's number"):
        next(frames_of(("webcam:front",), None))
