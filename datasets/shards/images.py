"""Images as they are packed: what they are, whether they decode, and the smaller copy when one is asked for.

torch is not imported here: it would cost every worker half a gigabyte. simplejpeg and OpenCV are used
where they are installed, Pillow otherwise and for everything that is no ordinary JPEG.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from ..readers import SampleError

simplejpeg: Any = None
cv2: Any = None
with suppress(ImportError):
    import simplejpeg
with suppress(ImportError):
    import cv2

    cv2.setNumThreads(1)  # the pool has a process for every core already

MAX_PIXELS = 120_000_000
ORIENTATION_TAG = 0x0112
# Cameras leave a few stray bytes before the end marker; damage in the middle leaves many. Our choice: 16.
STRAY_BYTES = re.compile(r"(\d+) extraneous bytes before marker")
MAX_STRAY_BYTES = 16
# Opened by class and not by `Image.open`, whose limit on pixels is global and not ours.
_OPENERS: dict[str, Any] = {
    "jpg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
}


@dataclass(frozen=True)
class PackedImage:
    """What goes into a shard: a file's bytes, extension and displayed size; the factor it was scaled by."""

    data: bytes
    extension: str
    width: int
    height: int
    scale: float = 1.0


def codec(reencoding: bool) -> str:
    """What decodes here. One of a build's settings: resumed with another codec, it would not be the same."""
    if not reencoding:
        return "simplejpeg" if simplejpeg else "pillow"
    fast = [("simplejpeg", simplejpeg), ("opencv", cv2)]
    return ", ".join(f"{name} {module.__version__}" for name, module in [*fast, ("pillow", PIL)] if module)


def image_kind(data: bytes) -> str:
    """The file extension that the content (never the name) asks for; SampleError for what is not stored."""
    if data[:3] == b"\xff\xd8\xff":
        return "jpg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if data[:2] == b"BM":
        return "bmp"
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "tiff"
    what = f"it starts with {data[:8].hex(' ')}" if data else "the file is empty"
    raise SampleError("undecodable_image", f"no JPEG, PNG, WebP, GIF, BMP or TIFF: {what}")


def probe_image(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[str, int, int]:
    """(extension, width, height) of an image that decodes from its first byte to its last.

    Width and height are those of the displayed image (EXIF orientation applied). Of an animation the first
    frame is decoded and measured: it is what every decoder here returns. Raises SampleError: `too_large`
    (from the header, before anything is decoded) or `undecodable_image`.
    """
    with _decoder_errors():
        image, extension, orientation = _open(data, max_pixels)
        if _is_plain_jpeg(image):
            # Every coefficient is read, which is what finds damage; pixels are made at an eighth of the size.
            _decode_jpeg(data, "GRAY", fastdct=True, min_height=1, min_width=1)
        else:
            image.load()
    width, height = image.size
    return (extension, height, width) if orientation >= 5 else (extension, width, height)


def decode_pixels(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The displayed image, uint8 RGB [H, W, 3]: transparent parts on white, 16 bits as 8, the first frame.

    Raises SampleError like `probe_image`.
    """
    with _decoder_errors():
        image, _, orientation = _open(data, max_pixels)
        return _turned(_pixels(image, data), orientation)


def reencode(data: bytes, short_side: int, quality: int, max_pixels: int = MAX_PIXELS) -> PackedImage:
    """The displayed image as a JPEG whose shorter side is `short_side`, antialiased (area average).

    What is small enough already is handed back untouched, in its own format. Transparent parts are laid on
    white; 16 bits become 8. Raises SampleError like `probe_image`.
    """
    with _decoder_errors():
        image, _, orientation = _open(data, max_pixels)
        if min(image.size) <= short_side:
            return PackedImage(data, *probe_image(data, max_pixels))
        pixels = _pixels(image, data)
        scale = short_side / min(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        pixels = _turned(_resized(pixels, width, height), orientation)
        return PackedImage(_encoded(pixels, quality), "jpg", pixels.shape[1], pixels.shape[0], scale)


def _pixels(image: Any, data: bytes) -> np.ndarray:
    """uint8 RGB [H, W, 3] of an image that `_open` opened, before its orientation."""
    if _is_plain_jpeg(image):
        return _decode_jpeg(data, "RGB")
    image.load()
    return np.asarray(opaque_rgb(image))


def opaque_rgb(image: Image.Image) -> Image.Image:
    """A loaded Pillow image in RGB: 16 bits scaled to 8 (Pillow would clip), transparency laid on white."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        deep = np.asarray(image).astype(np.int64)
        return Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


@contextmanager
def _decoder_errors() -> Iterator[None]:
    try:
        yield
    except SampleError:
        raise
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        message = re.sub(r" at 0x[0-9a-f]+", "", str(error))  # an address would differ from run to run
        raise SampleError("undecodable_image", message or type(error).__name__) from None


def _open(data: bytes, max_pixels: int) -> tuple[Any, str, int]:
    """(image not decoded yet, extension, EXIF orientation 1..8); Pillow turns TIFF files by itself."""
    extension = image_kind(data)
    image = _OPENERS[extension](io.BytesIO(data))
    width, height = image.size
    if width * height > max_pixels:
        detail = f"{width}x{height} is {width * height:,} pixels, more than max_pixels={max_pixels:,}"
        raise SampleError("too_large", detail)
    orientation = 1
    if extension != "tiff" and "exif" in image.info:
        try:
            tags = Image.Exif()
            tags.load(image.info["exif"])
            orientation = tags.get(ORIENTATION_TAG, 1)
        except Exception:  # broken EXIF in a sound image: nobody turns it, and neither do we
            orientation = 1
    return image, extension, orientation if orientation in range(1, 9) else 1


def _is_plain_jpeg(image: Any) -> bool:
    return simplejpeg is not None and image.format == "JPEG" and image.mode in ("L", "RGB")


def _decode_jpeg(data: bytes, colorspace: str, **options: Any) -> np.ndarray:
    """simplejpeg's pixels [H, W, C]; ValueError for any damage but a few stray bytes."""
    try:
        return simplejpeg.decode_jpeg(data, colorspace, **options)
    except ValueError as error:
        stray = STRAY_BYTES.search(str(error))
        if stray is None or int(stray[1]) > MAX_STRAY_BYTES:
            raise
        return simplejpeg.decode_jpeg(data, colorspace, strict=False, **options)


def _resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    if cv2 is not None:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation: 2-4 flip, 5-8 swap the axes first."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _encoded(pixels: np.ndarray, quality: int) -> bytes:
    if simplejpeg is not None:
        return simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="420")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()
