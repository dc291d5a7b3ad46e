"""Image bytes to one kind of tensor: uint8 RGB [3, H, W], EXIF orientation applied.

JPEG and plain 8-bit PNG go through torchvision, everything else (and whatever torchvision refuses)
through Pillow, so decoding is as tolerant as Pillow and never more. `fast=True` decodes JPEG with
simplejpeg's cheapest inverse DCT and chroma upsampling: a few grey levels off, for training only.

All tensors come back as a [3, H, W] view of [H, W, 3] memory, the layout decoders write and in which
cropping, resizing and flipping are two to three times as fast as on planes.
"""

import functools
import io
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg, decode_png

from ...foundation.errors import UserError

# Pillow's own limit against decompression bombs (an error from twice its warning threshold on),
# applied here to every decoder. 179 million pixels are 537 MB once decoded.
MAX_PIXELS = 178_956_970
DCT_SCALES = (8, 4, 2)  # other factors have no SIMD inverse DCT: slower than decoding in full

_ORIENTATION = 0x0112
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset((0x01, *range(0xD0, 0xD8)))


Header = tuple[int, int, int, int]  # height, width, components, EXIF orientation


class DecodeError(UserError):
    """These bytes are no image that can be decoded. The stream adds which sample they belong to."""


def decode(data: bytes, fast: bool = False, scale: int = 1) -> Tensor:
    """Decode an image file's bytes to uint8 RGB [3, H, W].

    The first frame of animations; CMYK and 16-bit channels converted to 8-bit RGB; transparent pixels laid
    over white (our choice: what lies under them is often garbage).

    Args:
        data: a JPEG, PNG, WebP, GIF, BMP or TIFF file.
        fast: decode JPEG with simplejpeg (the `fast` extra); other formats are not affected.
        scale: 1, 2, 4 or 8; decode JPEG at 1/scale of its size (rounded up). Only with `fast`, and without
            effect on CMYK, on rotated images and on other formats.

    Raises:
        DecodeError: damaged, unknown or too large.
        UserError: `fast` without its packages.
    """
    return _decode(data, jpeg_header(data), fast, scale)


def _decode(data: bytes, header: Header | None, fast: bool, scale: int) -> Tensor:
    if header is not None:
        height, width, components, orientation = header
        _refuse_bombs(height, width)
        if fast and components != 4 and orientation == 1:
            image = _decode_simplejpeg(data, height, width, scale)
            if image is not None:
                return image
        # CMYK needs colour handling that torchvision does only roughly.
        if components != 4:
            try:
                image = decode_jpeg(
                    _as_tensor(data), ImageReadMode.RGB, apply_exif_orientation=orientation != 1
                )
                return _interleaved(image)
            except RuntimeError:
                pass  # Pillow has the last word
    elif _is_plain_png(data):
        _refuse_bombs(int.from_bytes(data[20:24]), int.from_bytes(data[16:20]))
        try:
            return _interleaved(decode_png(_as_tensor(data), ImageReadMode.RGB))
        except RuntimeError:
            pass
    return _decode_pillow(data)


def image_size(data: bytes) -> tuple[int, int]:
    """(height, width) as `decode` will return them, from the header alone."""
    return _size(data, jpeg_header(data))


def _size(data: bytes, header: Header | None) -> tuple[int, int]:
    if header is not None:
        height, width, _, orientation = header
        return (width, height) if orientation >= 5 else (height, width)
    with _opened(data) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def jpeg_header(data: bytes) -> Header | None:
    """(height, width, components, EXIF orientation) of a JPEG file, before orientation; None if it is not
    one."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    orientation, at = 1, 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:  # fill byte, or a marker without a body
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        if marker in _FRAME_MARKERS:
            height = int.from_bytes(data[at + 5 : at + 7])
            width = int.from_bytes(data[at + 7 : at + 9])
            return height, width, data[at + 9], orientation
        if marker == 0xE1 and data[at + 4 : at + 8] == b"Exif":
            orientation = _exif_orientation(data[at + 4 : at + 2 + length])
        at += 2 + max(length, 2)
    return None


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image as 8-bit RGB with its EXIF orientation applied, transparency laid over white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip at 255
        deep = np.asarray(image, dtype=np.int64)
        grey = (np.clip(deep, 0, 65535) * 255 + 32767) // 65535
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


class ImageLoader:
    """One sample's image, decoded when called: what a view receives.

    A view calls it once and crops the tensor; `transforms.load_random_resized_crop` asks for the size first,
    so that the fast path need not decode pixels that the crop will throw away.
    """

    __slots__ = ("_header", "data", "fast")

    def __init__(self, data: bytes, fast: bool = False) -> None:
        self.data = data
        self.fast = fast
        self._header = jpeg_header(data)

    def __call__(self, scale: int = 1) -> Tensor:
        """uint8 RGB [3, H, W]; at 1/scale of the size only where `scales` is true."""
        return _decode(self.data, self._header, self.fast, scale)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels at full size."""
        return _size(self.data, self._header)

    @property
    def scales(self) -> bool:
        """Whether a scale other than 1 is honoured."""
        return self.fast and self._header is not None and self._header[2:] in ((1, 1), (3, 1))


@functools.cache
def fast_packages() -> tuple[ModuleType, ModuleType]:
    """(simplejpeg, cv2), with OpenCV's own threads off: loader workers are the parallelism here."""
    try:
        import cv2
        import simplejpeg
    except ImportError as error:
        raise UserError(
            f"fast=true needs the package {error.name}: pip install 'vemo[fast]', or set fast=false"
        ) from error
    cv2.setNumThreads(0)
    return simplejpeg, cv2


def _decode_simplejpeg(data: bytes, height: int, width: int, scale: int) -> Tensor | None:
    simplejpeg, _ = fast_packages()
    try:
        # simplejpeg takes the strongest reduction that still gives these sizes.
        options = {"min_height": -(-height // scale), "min_width": -(-width // scale)} if scale > 1 else {}
        pixels = simplejpeg.decode_jpeg(data, fastdct=True, fastupsample=True, **options)
    except ValueError:
        return None  # stricter than the others, which decide
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _decode_pillow(data: bytes) -> Tensor:
    with _opened(data) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Corrupt EXIF data" and the like, where pixels are whole
        try:
            _refuse_bombs(image.height, image.width)
            pixels = np.array(to_rgb(image))
        except DecodeError:
            raise
        except Exception as error:  # Pillow's plugins raise about anything on damaged bytes
            raise DecodeError(f"undecodable {image.format} image: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _opened(data: bytes) -> Image.Image:
    if not data:
        raise DecodeError("the image has zero bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise DecodeError(f"image too large: {error}") from error
    except Exception as error:
        raise DecodeError(f"not an image in a known format ({len(data)} bytes)") from error


def _refuse_bombs(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise DecodeError(f"image too large: {width}×{height} pixels, more than {MAX_PIXELS:,}")


def _is_plain_png(data: bytes) -> bool:
    """8-bit grey or RGB without transparency or orientation: all else is Pillow's."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 33 or data[24] != 8 or data[25] not in (0, 2):
        return False
    chunks = data[33 : data.find(b"IDAT")]
    return b"tRNS" not in chunks and b"eXIf" not in chunks


def _exif_orientation(payload: bytes) -> int:
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "Corrupt EXIF data": of no interest here
            exif.load(payload)
            orientation = exif.get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block says nothing; the picture is still there
        return 1
    return orientation if orientation in range(1, 9) else 1


def _as_tensor(data: bytes) -> Tensor:
    # A copy (a few µs): torch refuses to promise that it will not write to `bytes`.
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def _interleaved(image: Any) -> Tensor:
    """The same [3, H, W] on [H, W, 3] memory; a copy only for rotated images and PNG."""
    return image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
