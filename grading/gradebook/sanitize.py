"""What a hand-in may show in a browser: text, tables, figures and cards; nothing that runs or loads.

nbconvert calls `clean_html` in the formgrader and in the feedback pages. Its own of this name drops the
figures, which travel as `data:` images, and every style.
"""

import html
import re
from collections.abc import Iterable, Iterator

import tinycss2  # type: ignore[import-untyped]
from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]
from bleach.html5lib_shim import Filter  # type: ignore[import-untyped]
from bleach.sanitizer import Cleaner  # type: ignore[import-untyped]
from pygments.token import STANDARD_TYPES  # type: ignore[import-untyped]
from tinycss2.ast import Node  # type: ignore[import-untyped]

FILTERS = {
    "clean_html": "grading.gradebook.sanitize.clean_html",
    # nbgrader's templates send Markdown through this one and not through the other, whatever is configured.
    "strip_files_prefix": "grading.gradebook.sanitize.clean_html",
}
"""For nbconvert's `HTMLExporter.filters`, beside `sanitize_html = True`."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TAGS = _words(
    """
    a abbr acronym article aside b blockquote br caption center cite code col colgroup dd del details dfn div
    dl dt em figcaption figure footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li mark ol p pre q s samp
    section small span strong sub summary sup table tbody td tfoot th thead tr tt u ul var
    """
)
ATTRIBUTES = {
    "*": _words("align class dir id lang role scope style title valign"),
    "a": frozenset(["href"]),
    "col": frozenset(["span"]),
    "details": frozenset(["open"]),
    "img": frozenset(["src", "alt", "width", "height"]),
    "li": frozenset(["value"]),
    "ol": frozenset(["start", "type"]),
    "table": frozenset(["border"]),
    "td": frozenset(["colspan", "rowspan"]),
    "th": frozenset(["colspan", "rowspan"]),
}

PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[\w+/=\s]*", re.ASCII)
"""An SVG among them is safe: inside an <img> it neither runs nor loads anything."""

# Addresses without a host would stay on this server, where a hand-in's other files can be opened as pages.
LINK = re.compile(r"https?://[^\s]+|mailto:[^\s]+|#[^\s]*", re.IGNORECASE)

# Formgrader's scripts act on classes ("full-credit") and ids: a hand-in gets neither of theirs.
CLASS = re.compile(r"ck(-[\w-]+)?|highlight|hl-[\w-]+|dataframe|anchor-link", re.ASCII)
HIGHLIGHTED = frozenset(filter(None, STANDARD_TYPES.values()))
OWN = "hand-in-"
"""Before every id of a hand-in, and in the links to them."""

PROPERTIES = _words(
    """
    align-items background background-color border border-bottom border-bottom-color border-collapse
    border-color border-left border-left-color border-radius border-right border-right-color border-spacing
    border-style border-top border-top-color border-width caption-side clear color column-gap display flex
    flex-direction flex-wrap float font font-family font-size font-style font-variant font-weight gap
    grid-template-columns height justify-content letter-spacing line-height list-style list-style-type
    margin margin-bottom margin-left margin-right margin-top max-height max-width min-height min-width
    overflow overflow-wrap overflow-x overflow-y padding padding-bottom padding-left padding-right
    padding-top row-gap table-layout text-align text-decoration text-indent text-transform vertical-align
    white-space width word-break
    """
)
FUNCTIONS = _words("calc clamp hsl hsla linear-gradient max min minmax repeat rgb rgba var")
"""None that takes an address."""

CARDS = re.compile(r"\s*\.ck\.ck[\w\s.:()-]*", re.ASCII)
"""The rules of a result card's style sheet: none reaches beyond the card."""

UNSEEN = re.compile(r"<(script|style|title|template|noscript)\b.*?(</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
STYLE = re.compile(r"<style\b[^>]*>(.*?)</style\s*>", re.DOTALL | re.IGNORECASE)


def clean_html(element: str | bytes) -> str:
    """The same HTML without what runs, loads, leads back into this server or takes the page's own names."""
    text = element.decode("utf-8", "replace") if isinstance(element, bytes) else str(element)
    sheet = "".join(filter(None, (_card_style(found) for found in STYLE.findall(text))))
    # Only so that their text is not shown: what this overlooks is a tag that the cleaner drops.
    shown = UNSEEN.sub("", text)
    cleaner = Cleaner(
        tags=TAGS,
        attributes=_is_allowed,
        protocols=["http", "https", "mailto", "data"],
        strip=True,
        filters=[_Renamed],
        css_sanitizer=_Styles(),
    )
    return (f"<style>{sheet}</style>" if sheet else "") + cleaner.clean(shown)


def _is_allowed(tag: str, name: str, value: str) -> bool:
    if (tag, name) == ("img", "src"):
        return PICTURE.fullmatch(value) is not None
    if (tag, name) == ("a", "href"):
        return LINK.fullmatch(value) is not None
    return name in ATTRIBUTES["*"] or name in ATTRIBUTES.get(tag, ()) or name.startswith("aria-")


class _Renamed(Filter):
    """Classes that mean nothing to the page, ids of the hand-in's own, links that tell nothing of us."""

    def __iter__(self) -> Iterator[dict[str, object]]:
        for token in super().__iter__():
            if token["type"] in ("StartTag", "EmptyTag"):
                token["data"] = dict(_renamed(token["name"], token["data"]))
            yield token


def _renamed(
    tag: str, attributes: dict[tuple[str | None, str], str]
) -> Iterator[tuple[tuple[str | None, str], str]]:
    for (space, name), value in attributes.items():
        if name == "class":
            words = (word for word in value.split() if CLASS.fullmatch(word) or word in HIGHLIGHTED)
            value = " ".join(words)
        elif name == "id":
            value = OWN + value.removeprefix(OWN)
        elif name == "href" and value.startswith("#"):
            value = f"#{OWN}{value[1:].removeprefix(OWN)}"
        if value or name == "alt":
            yield (space, name), value
    if tag == "a":
        yield (None, "rel"), "noopener noreferrer"
        if not attributes.get((None, "href"), "#").startswith("#"):
            yield (None, "target"), "_blank"


class _Styles(CSSSanitizer):
    """A style attribute reduced to declarations that load nothing."""

    def sanitize_css(self, style: str) -> str:
        """As bleach calls it, which leaves entities in attributes as they are: a browser would not."""
        return _declarations(tinycss2.parse_declaration_list(html.unescape(style))).replace("&", "&amp;")


def _declarations(nodes: Iterable[Node]) -> str:
    kept = [
        node
        for node in nodes
        if node.type == "declaration" and node.lower_name in PROPERTIES and _is_tame(node.value)
    ]
    return tinycss2.serialize(kept).strip()


def _is_tame(nodes: Iterable[Node]) -> bool:
    """Whether a value has no address in it, and nothing negative, which would lay it over something else."""
    for node in nodes:
        if node.type in ("url", "error", "at-rule"):
            return False
        if node.type == "function" and (node.lower_name not in FUNCTIONS or not _is_tame(node.arguments)):
            return False
        if node.type in ("() block", "[] block", "{} block") and not _is_tame(node.content):
            return False
        if node.type in ("number", "percentage", "dimension") and node.value < 0:
            return False
    return True


def _card_style(sheet: str) -> str:
    """Of a style sheet the rules for result cards."""
    kept = []
    for rule in tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True):
        if rule.type == "qualified-rule":
            selectors = tinycss2.serialize(rule.prelude).split(",")
            if all(CARDS.fullmatch(selector) for selector in selectors):
                declarations = _declarations(tinycss2.parse_declaration_list(rule.content))
                kept.append(f"{','.join(selectors).strip()}{{{declarations}}}")
    text = "\n".join(kept)
    return "" if "<" in text else text
