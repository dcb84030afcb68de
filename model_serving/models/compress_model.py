"""A model that makes pictures smaller, with a file as its prediction: Pillow, and nothing learned.

What a user expects stays: the picture's upright position, its colours, its transparency, and the
movement of an animated one, where the format can hold it. Of its metadata nothing but the colour
profile is published: a file that holds more, as where it was taken, is always written anew.
"""

import io
import struct
from typing import Any, NotRequired, TypedDict

from PIL import ExifTags, Image, ImageOps, ImageSequence

from model_serving.files import File
from model_serving.memory import give_back_large_blocks
from model_serving.models.picture_colours import Profile, in_colours
from model_serving.models.picture_parts import is_bare
from model_serving.serving.model import InvalidInstance, Model

DEFAULT_MAX_PIXELS = 50_000_000
DEFAULT_QUALITY = 75
FORMATS = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}
MOVING = {"gif", "webp", "png"}

# Pillow's decoders and encoders raise all of these about a hostile or an unwritable picture.
REFUSALS = (
    *(OSError, EOFError, SyntaxError, ValueError, struct.error, UserWarning, RuntimeError),
    *(ArithmeticError, LookupError),  # OverflowError and IndexError are of these.
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
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
        """Refuse more than `max_pixels`, all pictures of an instance and their frames together.

        The picture that exceeds them is not decoded.
        """
        self._max_pixels = max_pixels
        give_back_large_blocks()

    def predict(self, instances: list[Wish]) -> list[list[dict[str, Any]] | InvalidInstance]:
        """Return for each instance what became of its pictures, in their order."""
        return [self._compress_all(instance) for instance in instances]

    def _compress_all(self, wish: Wish) -> list[dict[str, Any]] | InvalidInstance:
        results = []
        pixels_left = self._max_pixels
        for number, data in enumerate(wish["pictures"], start=1):
            try:
                with _opened(data) as source:
                    pixels_left -= _pixels(source)
                    if pixels_left < 0:
                        raise Unusable(self._too_large(source))
                    results.append(_compress(source, data, wish))
            except Unusable as error:
                return InvalidInstance(f"picture {number}: {error}")
            except REFUSALS as error:
                return InvalidInstance(f"picture {number}: it cannot be read: {error}")
        return results

    def _too_large(self, picture: Image.Image) -> str:
        count = _frame_count(picture)
        frames = f" in {count} frames" if count > 1 else ""
        return (
            f"it is {picture.width} x {picture.height} pixels{frames}, and all together are "
            f"more than the {self._max_pixels} allowed"
        )


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=[name.upper() for name in FORMATS])


def _pixels(picture: Image.Image) -> int:
    return picture.width * picture.height * _frame_count(picture)


def _stays_moving(picture: Image.Image, name: str) -> bool:
    """Tell whether it moves, and the format can."""
    return name in MOVING and _frame_count(picture) > 1


def _frame_count(picture: Image.Image) -> int:
    return getattr(picture, "n_frames", 1)  # Only formats that can move know it.


def _compress(source: Image.Image, data: bytes, wish: Wish) -> dict[str, Any]:
    format_before, size = (source.format or "").lower(), source.size
    is_turned = source.getexif().get(ExifTags.Base.Orientation, 1) != 1
    name = wish.get("format") or format_before
    profile = Profile.of(source)
    options = _options(source, name, wish.get("quality", DEFAULT_QUALITY), profile)
    frames = _frames(source, name, wish.get("max_width"), profile)
    compressed = _encoded(frames, name, options)
    is_as_it_was = not is_turned and (format_before, size) == (name, frames[0].size)
    if is_as_it_was and len(compressed) >= len(data) and is_bare(data, name):
        compressed = data  # It was small already.
    width, height = frames[0].size
    return {
        "file": File(compressed, FORMATS[name]),
        "size_before": len(data),
        "size_after": len(compressed),
        "width": width,
        "height": height,
    }


def _frames(
    source: Image.Image, name: str, max_width: int | None, profile: Profile | None
) -> list[Image.Image]:
    """Return the frames upright, in a mode that the format holds, and no wider than wanted."""
    if _stays_moving(source, name):
        size, frames = source.size, []
        for frame in ImageSequence.Iterator(source):
            if frame.size != size:  # A later frame of a GIF may be larger, and was not counted.
                raise Unusable("its frames differ in size")
            upright = ImageOps.exif_transpose(frame)
            frames.append(_fitted(upright, name, max_width, profile))
        return frames
    ImageOps.exif_transpose(source, in_place=True)  # A copy of its pixels may be large.
    return [_fitted(source, name, max_width, profile)]


def _fitted(
    frame: Image.Image, name: str, max_width: int | None, profile: Profile | None
) -> Image.Image:
    duration = frame.info.get("duration", 100)
    frame = in_colours(frame, name, profile)
    if max_width is not None and frame.width > max_width:
        height = max(1, round(frame.height * max_width / frame.width))
        frame = frame.resize((max_width, height), Image.Resampling.LANCZOS)
    frame.info = {"duration": duration}  # Pillow would write comments and profiles from there.
    return frame


def _options(
    source: Image.Image, name: str, quality: int, profile: Profile | None
) -> dict[str, Any]:
    """Return how the picture is written, by what its file says and what is wanted."""
    # Of a PNG it would take 15 times as long, for a tenth less.
    options: dict[str, Any] = {"optimize": name != "png"}
    if name in ("jpeg", "webp"):
        options["quality"] = quality
    if name == "jpeg":
        options["progressive"] = True
    if profile is not None and profile.is_held_by(name):
        options["icc_profile"] = profile.data
    if _stays_moving(source, name):
        loop = source.info.get("loop", 1)
        # A GIF without it plays once; what a GIF calls 1 is once more.
        plays_once = loop == 1 and not (source.format == "GIF" and "loop" in source.info)
        if name != "gif" or not plays_once:
            options["loop"] = loop
    return options


def _encoded(frames: list[Image.Image], name: str, options: dict[str, Any]) -> bytes:
    if len(frames) > 1:
        options = options | {
            "save_all": True,
            "append_images": frames[1:],
            "duration": [frame.info["duration"] for frame in frames],
            # Else what is clear would show the frame before.
            "disposal": 2 if name == "gif" else 0,
        }
    output = io.BytesIO()
    try:
        frames[0].save(output, format=name.upper(), **options)
    except REFUSALS as error:
        raise Unusable(f"it cannot be written as {name}: {error}") from error
    return output.getvalue()
