"""Parses a report."""

import html.parser

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(html.parser.HTMLParser):
    """Collects tags and text, and fails where an element is not closed."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.open, self.text, self.scripts = [], [], "", []
        self.feed(source)
        assert not self.open
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.text += " "
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts.append(data)
        if not {"style", "script"} & set(self.open):
            self.text += data
        assert "@import" not in data and "url(" not in data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def at(self, id):
        return next(attributes for _, attributes in self.tags if attributes.get("id") == id)
