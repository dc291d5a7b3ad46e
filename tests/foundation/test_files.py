"""Folders that one at a time works in, also where they are renamed or removed under those who wait."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from vemo.foundation.files import alone_in


@pytest.mark.parametrize("afterwards", ["stays", "removed", "renamed"])
def test_one_at_a_time(tmp_path, afterwards):
    inside, most, lock = [], [], threading.Lock()

    def work(number):
        with alone_in(tmp_path / "below" / "folder"):
            with lock:
                inside.append(number)
                most.append(len(inside))
            (tmp_path / "below" / "folder" / "mine").write_text(str(number))
            for _ in range(1000):
                assert (tmp_path / "below" / "folder" / "mine").exists()
            with lock:
                inside.remove(number)
            if afterwards == "removed":
                shutil.rmtree(tmp_path / "below")
            elif afterwards == "renamed":
                (tmp_path / "below" / "folder").rename(tmp_path / f"done-{number}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert most == [1] * 6
    if afterwards == "renamed":
        kept = [(tmp_path / f"done-{number}" / "mine").read_text() for number in range(6)]
        assert kept == [str(number) for number in range(6)]


def test_it_is_let_go_after_a_mistake(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), alone_in(tmp_path / "folder"):
            raise KeyError
