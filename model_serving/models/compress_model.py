"""A model that makes pictures smaller, with a file as its prediction: Pillow, and nothing learned.

What a user expects stays: the picture's upright position, its colours, its transparency, and the
movement of an animated one, where the format can hold it.
"""

import io
import struct
from typing import Any, NotRequired, TypedDict

from PIL import ExifTags, Image, ImageCms, ImageOps, ImageSequence

from model_serving.files import File
from model_serving.serving.model import InvalidInstance, Model

DEFAULT_MAX_PIXELS = 50_000_000
DEFAULT_QUALITY = 75
FORMATS = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}
MOVING = {"gif", "webp", "png"}
OPAQUE = {"jpeg"}

DECODE_ERRORS = (
    *(OSError, SyntaxError, ValueError, struct.error, UserWarning),
    *(IndexError, RuntimeError, Image.DecompressionBombError, Image.DecompressionBombWarning),
)


class Wish(TypedDict):
    """An instance: pictures, and how they are wanted."""

    pictures: list[bytes]
    quality: NotRequired[int]
    max_width: NotRequired[int]
    format: NotRequired[str]


class Unusable(Exception):
    """A picture cannot be compressed; the message tells the user why."""


class CompressModel(Model):
    """Make pictures smaller: their files, and their width where that is wanted.

    An instance is one picture or several, JPEG, PNG, WebP or GIF.
    """

    version = "1"

    def __init__(self, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """Refuse a picture of more than `max_pixels`, all its frames together, undecoded."""
        self._max_pixels = max_pixels

    def predict(self, instances: list[Wish]) -> list[list[dict[str, Any]] | InvalidInstance]:
        """Return for each instance what became of its pictures, in their order."""
        return [self._compress_all(instance) for instance in instances]

    def _compress_all(self, wish: Wish) -> list[dict[str, Any]] | InvalidInstance:
        results = []
        for number, data in enumerate(wish["pictures"], start=1):
            try:
                results.append(self._compress(data, wish))
            except Unusable as error:
                return InvalidInstance(f"picture {number}: {error}")
        return results

    def _compress(self, data: bytes, wish: Wish) -> dict[str, Any]:
        try:
            with Image.open(io.BytesIO(data), formats=[name.upper() for name in FORMATS]) as source:
                self._check_size(source)
                name = wish.get("format") or (source.format or "").lower()
                shape = (source.format or "").lower(), source.size
                is_turned = _is_turned(source)
                frames = _frames(source, name, wish.get("max_width"))
                compressed = _encoded(source, frames, name, wish.get("quality", DEFAULT_QUALITY))
        except DECODE_ERRORS as error:
            raise Unusable(f"it cannot be read: {error}") from error
        is_as_it_was = not is_turned and shape == (name, frames[0].size)
        if is_as_it_was and len(compressed) >= len(data):
            compressed = data  # It was small already.
        width, height = frames[0].size
        return {
            "file": File(compressed, FORMATS[name]),
            "size_before": len(data),
            "size_after": len(compressed),
            "width": width,
            "height": height,
        }

    def _check_size(self, picture: Image.Image) -> None:
        width, height = picture.size
        count = getattr(picture, "n_frames", 1)
        if width * height * count > self._max_pixels:
            frames = f" in {count} frames" if count > 1 else ""
            raise Unusable(
                f"it is {width} x {height} pixels{frames}, more than the {self._max_pixels} allowed"
            )


def _frames(source: Image.Image, name: str, max_width: int | None) -> list[Image.Image]:
    """Return the frames upright, in a mode that the format holds, and no wider than wanted."""
    is_moving = name in MOVING and getattr(source, "n_frames", 1) > 1
    if is_moving:
        size, frames = source.size, []
        for frame in ImageSequence.Iterator(source):
            if frame.size != size:  # A later frame of a GIF may be larger, and was not counted.
                raise Unusable("its frames differ in size")
            frames.append(_fitted(ImageOps.exif_transpose(frame), name, max_width))
        return frames
    ImageOps.exif_transpose(source, in_place=True)  # A copy of its pixels may be large.
    return [_fitted(source, name, max_width)]


def _fitted(frame: Image.Image, name: str, max_width: int | None) -> Image.Image:
    frame = _in_colours(frame, name)
    if max_width is not None and frame.width > max_width:
        height = max(1, round(frame.height * max_width / frame.width))
        frame = frame.resize((max_width, height), Image.Resampling.LANCZOS)
    return frame


def _in_colours(frame: Image.Image, name: str) -> Image.Image:
    """Return the frame as grey levels or RGB, with transparency where the format holds it."""
    if frame.mode in ("CMYK", "LAB"):
        return _to_srgb(frame)
    if frame.mode.startswith("I"):  # 16 bits; convert() would clip instead of scaling
        frame = frame.point(lambda level: level * (1 / 257) + 0.0).convert("L")
    if frame.has_transparency_data:
        layer = frame.convert("RGBA")
        if name not in OPAQUE:
            return layer
        paper = Image.new("RGB", layer.size, "white")
        paper.paste(layer, mask=layer)
        return paper
    if frame.mode in ("L", "RGB"):
        return frame
    return frame.convert("L" if frame.mode == "1" else "RGB")


def _to_srgb(frame: Image.Image) -> Image.Image:
    """Convert by the embedded profile, which would be wrong for the new colours."""
    profile = frame.info.pop("icc_profile", None)
    if profile is None:
        return frame.convert("RGB")
    try:
        return ImageCms.profileToProfile(
            frame, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        ) or frame.convert("RGB")
    except ImageCms.PyCMSError:
        return frame.convert("RGB")


def _encoded(source: Image.Image, frames: list[Image.Image], name: str, quality: int) -> bytes:
    """Write the picture, with its colour profile where its colours are still those."""
    # Of a PNG it would take 15 times as long, for a tenth less.
    options: dict[str, Any] = {"optimize": name != "png"}
    if name in ("jpeg", "webp"):
        options["quality"] = quality
    if name == "jpeg":
        options["progressive"] = True
    if source.mode not in ("CMYK", "LAB") and (profile := source.info.get("icc_profile")):
        options["icc_profile"] = profile
    if len(frames) > 1:
        options |= {
            "save_all": True,
            "append_images": frames[1:],
            "duration": [frame.info.get("duration", 100) for frame in frames],
            "disposal": 2
            if name == "gif"
            else 0,  # Else what is clear would show the frame before.
        }
        if name != "gif" or "loop" in source.info:  # A GIF without it plays once.
            options["loop"] = source.info.get("loop", 1)
    output = io.BytesIO()
    frames[0].save(output, format=name.upper(), **options)
    return output.getvalue()


def _is_turned(source: Image.Image) -> bool:
    return bool(source.getexif().get(ExifTags.Base.Orientation, 1) != 1)
