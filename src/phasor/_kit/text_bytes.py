"""Whether bytes are text, by what they are and not by a file's name."""

import codecs
import re

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before that of UTF-16, which begins alike
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# All but tab, line feed, vertical tab, form feed, carriage return, backspace and escape, which
# occur in text: in listings, manuals and what was caught from a terminal.
_CONTROLS = re.compile(rb"[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f]")
_CONTROLS_SHARE = 0.01
_NOT_ASCII = bytes(range(0x80, 0x100))
_ASCII_SHARE = 0.7


def as_utf8(data: bytes) -> bytes | None:
    """`data` in UTF-8 if it is text; `None` if it is not.

    Text is UTF-8, which stays as it is, a last character that is cut short included; UTF-16 and
    UTF-32 with a byte order mark; or bytes most of which are ASCII, read as Windows-1252. In any of
    them no byte is zero, and fewer than one in a hundred is another control character. A page of
    random bytes passes none of this.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            text = _decoded(data, encoding)
            return None if text is None else _without_controls(text.encode())
    if _decoded(data, "utf-8") is not None:
        return _without_controls(data)
    if len(data.translate(None, _NOT_ASCII)) < _ASCII_SHARE * len(data):
        return None
    # Its five bytes that stand for nothing are replaced.
    return _without_controls(data.decode("cp1252", errors="replace").encode())


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data, final=False)
    except UnicodeError:
        return None


def _without_controls(data: bytes) -> bytes | None:
    if b"\0" in data or len(_CONTROLS.findall(data)) > _CONTROLS_SHARE * len(data):
        return None
    return data
