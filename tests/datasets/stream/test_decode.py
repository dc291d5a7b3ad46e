"""Every kind of file that datasets hold comes out as uint8 RGB [3, H, W]; damage is an error, not a grey
picture."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from vemo.datasets.stream.decode import (
    DecodeError,
    ImageLoader,
    decode,
    fast_packages,
    image_size,
    jpeg_header,
)
from vemo.foundation import UserError

WIDTH, HEIGHT = 45, 32
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]
SMOOTH = np.stack([ROWS * 7, COLUMNS * 5, ROWS * 3 + COLUMNS * 2], -1).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def rgb(form: str = "JPEG", **options) -> bytes:
    return encoded(Image.fromarray(SMOOTH), form, **options)


def difference(image: torch.Tensor, pixels: np.ndarray) -> int:
    """The largest difference in grey levels to [H, W, 3]."""
    assert image.dtype == torch.uint8 and tuple(image.shape) == (3, *pixels.shape[:2])
    return int(np.abs(image.permute(1, 2, 0).numpy().astype(int) - pixels.astype(int)).max())


def pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_formats_agree_with_pillow(form, fast):
    data = rgb(form)
    image = decode(data, fast)
    assert difference(image, pillow(data)) <= (24 if fast and form == "JPEG" else 1)
    assert image.permute(1, 2, 0).is_contiguous()
    assert image_size(data) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(form, orientation, fast):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = rgb(form, exif=exif, **({"quality": 95} if form == "JPEG" else {}))
    expected = pillow(data)
    assert expected.shape[:2] == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
    image = decode(data, fast)
    assert difference(image, expected) <= (24 if fast and orientation == 1 else 1)
    assert image_size(data) == tuple(image.shape[1:])
    assert image.permute(1, 2, 0).is_contiguous()


@pytest.mark.parametrize("fast", [False, True])
def test_grey_and_cmyk_jpeg(fast):
    grey = encoded(Image.fromarray(SMOOTH).convert("L"), "JPEG", quality=95)
    assert difference(decode(grey, fast), pillow(grey)) <= (8 if fast else 1)
    cmyk = encoded(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG", quality=95)
    assert jpeg_header(cmyk)[2] == 4
    assert difference(decode(cmyk, fast), pillow(cmyk)) == 0
    assert difference(decode(cmyk), SMOOTH) < 40


def test_sixteen_bit_grey_keeps_its_range():
    deep = (COLUMNS * (65535 // (WIDTH - 1))).astype(np.uint16)
    image = decode(encoded(Image.fromarray(deep), "PNG"))
    expected = np.repeat(np.round(deep / 257).astype(np.uint8)[..., None], 3, -1)
    assert difference(image, expected) == 0 and image.max() == 255 and image[0, 0, 1] < 10


def test_sixteen_bit_rgb():
    deep = SMOOTH.astype(">u2") * 257
    rows = b"".join(b"\0" + deep[row].tobytes() for row in range(HEIGHT))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    assert difference(decode(data), SMOOTH) == 0


def test_transparency_lies_over_white():
    layered = np.dstack([SMOOTH, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    layered[:10, :, 3] = 0
    expected = SMOOTH.copy()
    expected[:10] = 255
    for form in ("PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if form == "WEBP" else {}
        assert difference(decode(encoded(Image.fromarray(layered), form, **options)), expected) == 0
    grey = Image.fromarray(layered).convert("LA")
    assert (decode(encoded(grey, "PNG"))[:, :10] == 255).all()


def test_palette_with_transparency():
    palette = Image.fromarray(SMOOTH).quantize(16)
    entry = palette.getpixel((0, 0))
    data = encoded(palette, "PNG", transparency=entry)
    image = decode(data)
    assert image[:, 0, 0].tolist() == [255, 255, 255]
    opaque = np.asarray(palette) != entry
    assert difference(image[:, opaque].unsqueeze(1), np.asarray(palette.convert("RGB"))[opaque][None]) == 0
    assert difference(decode(encoded(palette, "PNG")), np.asarray(palette.convert("RGB"))) == 0


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_animations_give_their_first_frame(form):
    frames = [Image.new("RGB", (8, 6), colour) for colour in ((200, 10, 10), (10, 200, 10), (10, 10, 200))]
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert decode(data)[:, 3, 4].tolist() == [200, 10, 10]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_pillow_modes(mode):
    image = Image.fromarray(SMOOTH).convert("L").convert(mode) if mode == "LA" else Image.fromarray(SMOOTH)
    image = image if mode == "LA" else image.convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    assert decode(encoded(image, "PNG")).shape == (3, HEIGHT, WIDTH)


def test_a_jpeg_that_is_a_png_and_one_pixel():
    assert difference(decode(rgb("PNG"), fast=True), SMOOTH) == 0  # names play no part
    assert decode(encoded(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"))[:, 0, 0].tolist() == [9, 8, 7]
    assert decode(encoded(Image.new("L", (1, 1), 9), "JPEG"), fast=True).shape == (3, 1, 1)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_truncated_files_are_refused(form, fast, part):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), form)
    with pytest.raises(DecodeError):
        decode(data[: int(len(data) * part)], fast)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"GIF89a", b"not an image" * 50, bytes(1000)])
@pytest.mark.parametrize("fast", [False, True])
def test_what_is_no_image(data, fast):
    with pytest.raises(DecodeError, match=r"zero bytes|known format|undecodable"):
        decode(data, fast)


def test_headers_cut_anywhere_never_crash():
    data = rgb(exif=Image.Exif())
    for length in range(0, 400, 7):
        with pytest.raises(DecodeError):
            decode(data[:length])
    garbled = np.frombuffer(data, np.uint8).copy()
    generator = np.random.default_rng(0)
    for _ in range(200):
        trial = garbled.copy()
        trial[generator.integers(2, 300, 4)] = generator.integers(0, 256, 4)
        for fast in (False, True):
            with contextlib.suppress(DecodeError):
                assert decode(trial.tobytes(), fast).shape[0] == 3


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_decompression_bombs_are_refused_from_the_header(form):
    """A header that claims 30,000 × 30,000 pixels: nothing of that size may be allocated."""
    if form == "PNG":
        data = bytearray(rgb("PNG"))
        data[16:24] = struct.pack(">II", 30000, 30000)
        data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    elif form == "JPEG":
        data = bytearray(rgb("JPEG"))
        at = data.find(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", 30000, 30000)
    else:
        data = bytearray(rgb("TIFF"))
        for tag, value in ((256, WIDTH), (257, HEIGHT)):
            at = next(
                i
                for i in range(len(data) - 12)
                if data[i : i + 2] == struct.pack("<H", tag) and data[i + 8] == value
            )
            data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, 30000)
    for fast in (False, True):
        with pytest.raises(DecodeError, match="too large"):
            decode(bytes(data), fast)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_scaled_decoding_averages(scale):
    pixels = np.asarray(Image.fromarray(SMOOTH).resize((160, 128), Image.Resampling.BICUBIC))
    data = encoded(Image.fromarray(pixels), "JPEG", quality=95)
    image = decode(data, fast=True, scale=scale)
    expected = pixels.reshape(128 // scale, scale, 160 // scale, scale, 3).mean((1, 3))
    assert tuple(image.shape) == (3, 128 // scale, 160 // scale)
    assert np.abs(image.permute(1, 2, 0).numpy() - expected).mean() < 4


def test_a_loader_knows_its_size_and_whether_it_scales():
    assert ImageLoader(rgb(), fast=True).scales and not ImageLoader(rgb()).scales
    assert not ImageLoader(rgb("PNG"), fast=True).scales
    assert ImageLoader(rgb("PNG")).size == (HEIGHT, WIDTH)
    assert torch.equal(ImageLoader(rgb())(), decode(rgb()))


def test_missing_fast_packages_name_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "simplejpeg", None)
    fast_packages.cache_clear()
    with pytest.raises(UserError, match=r"needs the package simplejpeg: pip install 'vemo\[fast\]'"):
        decode(rgb(), fast=True)
    monkeypatch.undo()
    fast_packages.cache_clear()
    assert decode(rgb(), fast=True).shape == (3, HEIGHT, WIDTH)
