"""Why a picture was refused: one error for each cause, with the facts and what to do.

ImageError
├── EmptyImage            no bytes at all
├── TooManyBytes          more bytes than the limit
├── NotAnImage            text, an archive, …
├── UnsupportedFormat     a picture, but of a kind Sortline does not read
│   └── MissingDecoder    … unless an optional package is installed
├── CorruptImage          damaged bytes
│   └── TruncatedImage    the file ends before the picture does
├── TooManyPixels         more pixels than the limit
└── ExtremeAspect         one side too many times the other
"""

from sortline.errors import SortlineError


class ImageError(SortlineError):
    """Base of all reasons for which a picture cannot be read."""


class EmptyImage(ImageError):
    """There are no bytes."""

    def __init__(self) -> None:
        super().__init__("The picture is empty (0 bytes); send the bytes of an image file.")


class TooManyBytes(ImageError):
    """The file is larger than the limit; refused before it is looked into."""

    def __init__(self, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        super().__init__(f"The picture has {size:,} bytes, the limit is {limit:,}; send a smaller file.")


class NotAnImage(ImageError):
    """The first bytes are those of no known picture format."""

    def __init__(self) -> None:
        super().__init__("The bytes are not a picture; send a JPEG, PNG, WebP, BMP, GIF, TIFF or HEIC file.")


class UnsupportedFormat(ImageError):
    """A picture, but of a format or pixel type that is not read."""

    def __init__(self, format: str, message: str = "") -> None:  # noqa: A002 - the word users know
        self.format = format
        super().__init__(message or f"{format} is not supported; convert the picture to JPEG, PNG or WebP.")


class MissingDecoder(UnsupportedFormat):
    """The format needs an optional package that is not installed."""

    def __init__(self, format: str, package: str) -> None:  # noqa: A002
        self.package = package
        super().__init__(
            format, f"Reading {format} needs {package}; run `pip install {package}` or send a JPEG."
        )


class CorruptImage(ImageError):
    """The bytes claim to be a picture and cannot be decoded."""

    def __init__(self, reason: str) -> None:
        # Decoders quote what they found; one printable line of it is enough.
        self.reason = " ".join("".join(c if c.isprintable() else " " for c in reason).split())[:200]
        super().__init__(f"The picture is damaged ({self.reason}); export it again and send the new file.")


class TruncatedImage(CorruptImage):
    """The file ends before the picture does, as after a broken upload."""

    def __init__(self) -> None:
        super().__init__("the file ends before the picture does")


class TooManyPixels(ImageError):
    """Width × height is above the limit; refused before any pixel is allocated."""

    def __init__(self, width: int, height: int, limit: int) -> None:
        self.width, self.height, self.limit = width, height, limit
        super().__init__(
            f"The picture has {width} x {height} = {width * height:,} pixels, the limit is {limit:,}; "
            "scale it down."
        )


class ExtremeAspect(ImageError):
    """One side is too many times the other for the picture to show an item."""

    def __init__(self, width: int, height: int, limit: float) -> None:
        self.width, self.height, self.limit = width, height, limit
        super().__init__(
            f"The picture is {width} x {height}, one side may be {limit:g} times the other at most; crop it."
        )
