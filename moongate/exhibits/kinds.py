"""The three kinds of exhibit. A name tells apart the exhibits of one subject, and says what is shown."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """A page of Markdown, with every value from a file escaped."""

    name: str
    caption: str
    markdown: str


@dataclass(frozen=True)
class Table:
    """Rows under the same titles. The cells are plain text, whatever is in them."""

    name: str
    caption: str
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class Picture:
    """A picture that is light enough to be kept in a server's database.

    Attributes:
        name: what is shown.
        caption: one line about it.
        content: the encoded picture.
        media_type: image/jpeg or image/png.
    """

    name: str
    caption: str
    content: bytes
    media_type: str

    @property
    def data_uri(self) -> str:
        """The whole picture as an address."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode('ascii')}"


Exhibit = Words | Table | Picture
