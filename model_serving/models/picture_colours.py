"""The colours of a picture: as a format can hold them, looking as they did by their profile."""

import io

from PIL import Image, ImageCms

OPAQUE = {"jpeg"}
WITHOUT_PROFILE = {"gif"}
SPACES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}


class Profile:
    """A picture's colour profile: what its colours mean."""

    def __init__(self, data: bytes) -> None:
        """Raise OSError where `data` is no profile."""
        self.data = data
        self._profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        self.mode = SPACES.get(self._profile.profile.xcolor_space.strip())

    @classmethod
    def of(cls, picture: Image.Image) -> "Profile | None":
        """Return the picture's profile, if it has one that is for its colours."""
        try:
            profile = cls(picture.info.get("icc_profile") or b"")
        except OSError:
            return None
        return profile if profile.mode == _colours(picture) else None

    def is_held_by(self, name: str) -> bool:
        """Tell whether it is written with the colours, and they stay.

        Others than RGB are not: not every format holds grey levels, and none that is written CMYK.
        """
        return self.mode == "RGB" and name not in WITHOUT_PROFILE

    def to_srgb(self, frame: Image.Image) -> Image.Image:
        """Return the frame in the colours that are meant where no profile is."""
        mode = self.mode or "RGB"
        colours = frame if frame.mode == mode else frame.convert(mode)
        try:
            shown = ImageCms.profileToProfile(
                colours, self._profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except ImageCms.PyCMSError:
            shown = None
        if shown is None:
            return frame
        if frame.mode == "RGBA":
            shown.putalpha(frame.getchannel("A"))
        return shown.convert("L") if frame.mode == "L" else shown


def in_colours(frame: Image.Image, name: str, profile: Profile | None) -> Image.Image:
    """Return the frame as grey levels or RGB, with transparency where the format holds it."""
    frame = _plain(frame)
    if profile is not None and not profile.is_held_by(name):
        frame = profile.to_srgb(frame)
    if frame.mode == "CMYK":
        frame = frame.convert("RGB")
    if frame.mode == "RGBA" and name in OPAQUE:
        paper = Image.new("RGB", frame.size, "white")
        paper.paste(frame, mask=frame)
        return paper
    return frame


def _plain(frame: Image.Image) -> Image.Image:
    """Return the frame as L, RGB, RGBA or CMYK; a copy may be large, so only where it must be."""
    if frame.mode.startswith("I"):  # 16 bits; convert() would clip instead of scaling
        frame = frame.point(lambda level: level * (1 / 257) + 0.0).convert("L")
        if "transparency" in frame.info:
            frame.info["transparency"] //= 257
    if frame.has_transparency_data:
        return frame if frame.mode == "RGBA" else frame.convert("RGBA")
    if frame.mode in ("L", "RGB", "CMYK"):
        return frame
    return frame.convert("L" if frame.mode == "1" else "RGB")


def _colours(picture: Image.Image) -> str:
    if picture.mode == "CMYK":
        return "CMYK"
    return "L" if picture.mode[0] in "1LI" else "RGB"
