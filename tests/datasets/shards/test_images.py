"""Images good and bad: what is kept, what is refused, and what comes out when they are made smaller."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps
from vemo.datasets.readers import SampleError
from vemo.datasets.shards import images
from vemo.datasets.shards.images import opaque_rgb, probe_image, reencode

NOISE = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(width: int = 90, height: int = 60) -> Image.Image:
    return Image.fromarray(NOISE).resize((width, height))


def smooth(width: int = 90, height: int = 60) -> Image.Image:
    """No two corners alike, and nothing that JPEG would blur."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def huge_png(side: int) -> bytes:
    """A valid side x side grey PNG whose zeros compress to next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze = zlib.compressobj(1)
    rows = b"".join(squeeze.compress(bytes(side + 1)) for _ in range(side)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture(params=["with simplejpeg and OpenCV", "Pillow only"])
def codecs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "Pillow only":
        monkeypatch.setattr(images, "simplejpeg", None)
        monkeypatch.setattr(images, "cv2", None)


def reason(data: bytes, **options) -> str:
    with pytest.raises(SampleError) as caught:
        probe_image(data, **options)
    assert " at 0x" not in caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(photo(), "JPEG"), ("jpg", 90, 60)),
        (encoded(photo(), "JPEG", progressive=True), ("jpg", 90, 60)),
        (encoded(photo().convert("L"), "JPEG"), ("jpg", 90, 60)),
        (encoded(photo().convert("CMYK"), "JPEG"), ("jpg", 90, 60)),
        (encoded(photo(1, 1), "JPEG"), ("jpg", 1, 1)),
        (encoded(photo(), "JPEG", exif=turned(6)), ("jpg", 60, 90)),
        (encoded(photo(), "JPEG", exif=turned(3)), ("jpg", 90, 60)),
        (encoded(photo(), "JPEG") + b"trailing", ("jpg", 90, 60)),
        (encoded(photo(), "PNG"), ("png", 90, 60)),
        (encoded(photo(), "PNG", exif=turned(8)), ("png", 60, 90)),
        (encoded(Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257), "PNG"), ("png", 90, 60)),
        (encoded(photo().quantize(8), "PNG", transparency=0), ("png", 90, 60)),
        (encoded(photo(), "WEBP"), ("webp", 90, 60)),
        (encoded(photo(), "WEBP", save_all=True, append_images=[photo(), photo()]), ("webp", 90, 60)),
        (encoded(photo(), "GIF", save_all=True, append_images=[photo().rotate(90)]), ("gif", 90, 60)),
        (encoded(photo(), "BMP"), ("bmp", 90, 60)),
        (encoded(photo(), "TIFF", exif=turned(6)), ("tiff", 60, 90)),
    ],
)
def test_sound_images_are_kept(codecs: None, data: bytes, expected: tuple[str, int, int]) -> None:
    assert probe_image(data) == expected


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.97])
def test_cut_off_images_are_refused(codecs: None, kind: str, keep: float) -> None:
    data = encoded(photo(), kind)
    assert reason(data[: int(len(data) * keep)]) == "undecodable_image"


def test_a_jpeg_without_its_end_marker_is_refused() -> None:
    assert reason(encoded(photo(), "JPEG")[:-2]) == "undecodable_image"


def test_a_jpeg_overwritten_in_the_middle_is_refused() -> None:
    """Pillow alone paints over this without a word, which is why simplejpeg looks first."""
    data = bytearray(encoded(photo(400, 300), "JPEG"))
    middle = slice(len(data) // 2, len(data) // 2 + 300)
    data[middle] = bytes(300)
    assert reason(bytes(data)) == "undecodable_image"


def test_a_few_stray_bytes_before_the_end_are_tolerated(codecs: None) -> None:
    data = encoded(photo(), "JPEG")
    assert probe_image(data[:-2] + b"\x00\x00\x00" + data[-2:]) == ("jpg", 90, 60)
    assert reencode(data[:-2] + b"\x00\x00\x00" + data[-2:], 30, 90).width == 45


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"not an image at all", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_image(codecs: None, data: bytes) -> None:
    assert reason(data) == "undecodable_image"


def test_30000_by_30000_is_refused_without_decoding() -> None:
    data = huge_png(30_000)  # 900 million pixels in a file of a few megabytes
    tracemalloc.start()
    assert reason(data) == "too_large"
    with pytest.raises(SampleError, match="30000x30000"):
        reencode(data, 256, 90)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20


def test_the_limit_is_the_callers() -> None:
    data = encoded(photo(), "JPEG")
    assert probe_image(data, max_pixels=90 * 60) == ("jpg", 90, 60)
    assert reason(data, max_pixels=90 * 60 - 1) == "too_large"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_is_baked_in(codecs: None, kind: str, orientation: int) -> None:
    """Against Pillow's own idea of the displayed picture."""
    data = encoded(smooth(), kind, exif=turned(orientation))
    small = reencode(data, 30, 95)
    with Image.open(io.BytesIO(data)) as picture:
        shown = ImageOps.exif_transpose(picture).convert("RGB")
    assert (small.width, small.height) == ((30, 45) if orientation >= 5 else (45, 30))
    assert small.scale == 0.5
    assert probe_image(small.data) == ("jpg", small.width, small.height)
    expected = np.asarray(shown.resize((small.width, small.height), Image.Resampling.BOX)).astype(int)
    got = np.asarray(Image.open(io.BytesIO(small.data))).astype(int)
    assert np.abs(got - expected).mean() < 4  # a wrong turn is beyond 40
    assert "exif" not in Image.open(io.BytesIO(small.data)).info


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_small_images_are_copied_untouched(codecs: None, kind: str) -> None:
    data = encoded(photo(), kind)
    assert reencode(data, 60, 90).data is data
    assert reencode(data, 59, 90).data != data


def test_cut_off_images_are_refused_when_reencoding(codecs: None) -> None:
    data = encoded(photo(), "JPEG")
    for short_side in (30, 60):
        with pytest.raises(SampleError, match="undecodable_image"):
            reencode(data[: len(data) // 2], short_side, 90)


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    picture = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    picture.paste((0, 0, 200, 255), (0, 0, 32, 64))
    data = encoded(picture.quantize(4) if mode == "P" else picture.convert(mode), "PNG")
    pixels = np.asarray(Image.open(io.BytesIO(reencode(data, 32, 95).data)).convert("RGB")).astype(int)
    assert pixels[:, 24:].min() > 235
    assert pixels[:, :8].mean() < 110


def test_16_bits_become_8_without_clipping(codecs: None) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(64, 0)
    shrunk = reencode(encoded(Image.fromarray(ramp), "PNG"), 32, 95)
    pixels = np.asarray(Image.open(io.BytesIO(shrunk.data)).convert("L")).astype(int)
    assert abs(pixels[16, 16] - 128) < 10
    assert pixels[16, 0] < 10 < 245 < pixels[16, -1]


def test_cmyk_becomes_rgb(codecs: None) -> None:
    data = encoded(Image.new("RGB", (64, 64), (220, 30, 30)).convert("CMYK"), "JPEG")
    with Image.open(io.BytesIO(reencode(data, 32, 95).data)) as picture:
        assert picture.mode == "RGB"
        assert np.abs(np.asarray(picture)[16, 16].astype(int) - (220, 30, 30)).max() < 12


def test_the_two_codecs_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(smooth(300, 200), "JPEG")
    fast = reencode(data, 100, 90)
    monkeypatch.setattr(images, "simplejpeg", None)
    monkeypatch.setattr(images, "cv2", None)
    slow = reencode(data, 100, 90)
    assert (fast.width, fast.height) == (slow.width, slow.height) == (150, 100)
    both = [np.asarray(Image.open(io.BytesIO(packed.data))).astype(int) for packed in (fast, slow)]
    assert np.abs(both[0] - both[1]).mean() < 2
    assert images.codec(True) == f"pillow {Image.__version__}"


def test_opaque_rgb_leaves_rgb_alone() -> None:
    assert np.array_equal(np.asarray(opaque_rgb(photo())), NOISE)
