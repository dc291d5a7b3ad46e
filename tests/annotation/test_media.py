"""The cache of images: by content, within its limit, pruned."""

import hashlib

import pytest
from vemo.annotation.media import MediaCache
from vemo.foundation.errors import UserError

JPEG, PNG = b"\xff\xd8\xff one", b"\x89PNG\r\n\x1a\n two"


def test_an_image_is_a_file_named_after_its_content(tmp_path) -> None:
    cache = MediaCache(tmp_path, 1000)
    path = cache.add(JPEG, "toy/1")
    digest = hashlib.sha256(JPEG).hexdigest()
    assert path == tmp_path / digest[:2] / f"{digest}.jpg" and path.read_bytes() == JPEG
    assert cache.add(JPEG, "toy/2") == path and cache.add(PNG, "toy/3").suffix == ".png"
    assert cache.bytes == len(JPEG) + len(PNG) == MediaCache(tmp_path, 0).bytes


def test_a_file_that_was_cut_off_is_written_again(tmp_path) -> None:
    path = MediaCache(tmp_path, 1000).add(JPEG, "toy/1")
    path.write_bytes(b"")
    assert MediaCache(tmp_path, 1000).add(JPEG, "toy/1").read_bytes() == JPEG


def test_the_limit(tmp_path) -> None:
    cache = MediaCache(tmp_path, len(JPEG))
    cache.add(JPEG, "toy/1")
    cache.add(JPEG, "toy/1")
    with pytest.raises(UserError, match=r"do not fit into .* raise media_limit"):
        cache.add(PNG, "toy/2")
    assert len(list(tmp_path.glob("*/*"))) == 1


def test_what_is_no_image(tmp_path) -> None:
    with pytest.raises(UserError, match=r"toy/1: .*verify"):
        MediaCache(tmp_path, 1000).add(b"text", "toy/1")


def test_pruning_leaves_ours_and_strangers(tmp_path) -> None:
    cache = MediaCache(tmp_path, 1000)
    kept, other = cache.add(JPEG, "toy/1"), cache.add(PNG, "toy/2")
    left_over = other.with_name(f"{other.name}.77.part")
    left_over.write_bytes(b"12345")
    stranger = tmp_path / "ab" / "notes.txt"
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_text("mine")
    assert cache.prune({str(kept)}) == (2, len(PNG) + 5)
    assert kept.exists() and stranger.exists() and not other.exists() and not left_over.exists()
