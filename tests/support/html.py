"""What a browser would do with a page: which files it would fetch, and whether all tags close."""

import re
from html.parser import HTMLParser


class References(HTMLParser):
    """Collects what a browser would fetch, and checks that tags close."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self):
        super().__init__()
        self.references, self.open, self.sections = [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.references += [values[name] for name in ("src", "href", "data", "srcset", "action") if values.get(name)]
        if tag == "section":
            self.sections.append(values["id"])
        if tag in ("link", "iframe"):
            self.references.append(f"<{tag}>")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parse(text):
    parser = References()
    parser.feed(text)
    assert not parser.open
    return parser


def assert_nothing_is_fetched(text):
    for reference in parse(text).references:
        assert reference.startswith(("data:image/", "#")), reference
    assert not re.search(r"url\(|@import|https?://", text)
