"""A page as a browser reads it: whether its elements are whole, and what it would load."""

import html.parser
import re

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Checker(html.parser.HTMLParser):
    """Every element closed in its turn; which elements and addresses there are."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


class Loads(html.parser.HTMLParser):
    """Addresses that a browser would ask for by itself: all but those of links."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        values = [value or "" for name, value in attributes if not (tag == "a" and name == "href")]
        loading = {"src", "srcset", "href", "xlink:href", "poster", "data", "action", "background"}
        self.found += [
            value for name, value in attributes if name in loading and tag != "a" and not value.startswith("data:")
        ]
        self.found += [value for value in values if "url(" in value]


def loads_of(page):
    parser = Loads()
    parser.feed(page)
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    return parser.found + re.findall(r"url\(.*?\)|@import.*?;", styles)
