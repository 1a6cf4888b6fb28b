"""Markdown of prompts, answers and guidelines as HTML that can do nothing."""

from markdown_it import MarkdownIt
from markupsafe import Markup

# HTML in a text is shown as the text that it is. Links and images are shown as they were written: an address is part of
# what is judged, a click would lead away from the page, and an image would be fetched from somewhere else.
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").enable("strikethrough")
_MARKDOWN.disable(["link", "image", "autolink", "reference", "html_inline", "html_block"])


def to_html(text: str) -> Markup:
    return Markup(_MARKDOWN.render(text))
