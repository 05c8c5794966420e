"""The text of an HTML page, without its markup."""

from html.parser import HTMLParser

_UNREAD = frozenset({"script", "style"})
_BREAKS = frozenset(
    {"br", "hr", "p", "pre", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "title"}
    | {"ul", "ol", "li", "dl", "dt", "dd", "table", "tr", "td", "th"}
    | {"div", "main", "article", "section", "aside", "header", "footer"}
)


def html_text(page: bytes) -> bytes:
    """What a reader of `page` sees, in UTF-8: no tags, comments, scripts or styles."""
    reader = _Reader()
    reader.feed(page.decode(errors="replace"))
    reader.close()
    return "".join(reader.seen).encode()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unread += tag in _UNREAD
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in _UNREAD and self._unread > 0
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.seen.append(data)

    def _break(self, tag: str) -> None:
        if tag in _BREAKS and self.seen and not self.seen[-1].endswith("\n"):
            self.seen.append("\n")
