"""Boxes followed from frame to frame."""

from vemo.finetune.predict.tracking import PATIENCE, Tracker, overlap


def box(x, y=0, side=10):
    return (x, y, x + side, y + side)


def test_overlap():
    assert overlap(box(0), box(0)) == 1 and overlap(box(0), box(20)) == 0
    assert overlap(box(0), box(5)) == 50 / 150


def test_moving_faces_keep_their_numbers_in_any_order():
    follow = Tracker()
    assert follow([box(0), box(100)], 0.0) == [1, 2]
    assert follow([box(102), box(2)], 0.1) == [2, 1]
    assert follow([box(50), box(4), box(104)], 0.2) == [3, 1, 2]
    assert follow([box(300)], 0.3) == [4]


def test_the_nearest_of_two_takes_the_number():
    follow = Tracker()
    follow([box(0)], 0.0)
    assert follow([box(4), box(1)], 0.1) == [2, 1]


def test_a_face_that_was_gone_for_a_while():
    follow = Tracker()
    follow([box(0)], 0.0)
    follow([], 0.4)
    assert follow([box(0)], 0.8) == [1]
    follow([], 1.0)
    follow([], 1.0 + PATIENCE)
    assert follow([box(0)], 1.9 + PATIENCE) == [2]


def test_frames_far_apart_still_follow_each_other():
    follow = Tracker()
    assert [follow([box(0)], 10.0 * step) for step in range(3)] == [[1], [1], [1]]


def test_what_it_holds_does_not_grow():
    follow = Tracker()
    for step in range(500):
        follow([box(100 * step)], step * 0.5)
    assert follow.count == 500 and len(follow.live) <= 4
