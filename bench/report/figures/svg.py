"""SVG files that a page can hold: named for those who do not see them, of unique ids, in the colours of the page."""

import re
from xml.etree import ElementTree

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
HREF = f"{{{LINK}}}href"

VARIABLES = {
    "#1c1e21": "--ink",
    "#62676d": "--soft",
    "#dcdfe3": "--line",
    "#f6f7f9": "--band",
    "#ffffff": "--back",
    "#1a7f4b": "--good",
    "#0b6aa8": "--above",
    "#b25b00": "--below",
}
"""Colours that a page sets by a CSS variable, in light and dark; elsewhere the SVG has its own."""

DARK = {
    "--ink": "#e6e8ea", "--soft": "#a7adb4", "--line": "#373d43", "--band": "#1d2125", "--back": "#14171a",
    "--good": "#6fcf97", "--above": "#78bdf0", "--below": "#f2a65a",
}  # fmt: skip
"""Those colours on a dark page."""

_LINK = re.compile(r"(?:url\(|href=\")#([^)\"]*)")
_ID = re.compile(r"url\(#([^)]*)\)")
_LONG = re.compile(r"(-?\d+\.\d\d)\d+")
"""A number of more decimals than are seen: a hundredth of a point."""

_FONT = re.compile(r"font-family: [^;]*")


def accessible(content: bytes, prefix: str, title: str, description: str) -> str:
    """Return what matplotlib wrote as an SVG that stands beside others in a page.

    It has a title and a description, ids that begin with the prefix, a generic font family, the colours of the page,
    and no rule of style for what stands outside of it.

    Parameters
    ----------
    content : bytes
        The SVG.
    prefix : str
        One a figure of the page.
    title, description : str
        For those who do not see it.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", LINK)
    root = ElementTree.fromstring(content)
    for part in (f"{{{SVG}}}metadata", f"{{{SVG}}}title"):
        for old in root.findall(part):
            root.remove(old)
    for definitions in root.findall(f"{{{SVG}}}defs"):
        for rule in definitions.findall(f"{{{SVG}}}style"):
            definitions.remove(rule)
    linked = set(_LINK.findall(content.decode()))
    for element in root.iter():
        _in_page(element, prefix, linked)
    root.attrib |= {
        "id": prefix, "role": "img", "aria-labelledby": f"{prefix}-title {prefix}-desc",
        "stroke-linejoin": "round", "stroke-linecap": "butt",
    }  # fmt: skip
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        named = ElementTree.Element(f"{{{SVG}}}{tag}", id=f"{prefix}-{tag}")
        named.text, named.tail = text, "\n"
        root.insert(place, named)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def alone(svg: str) -> str:
    """Return an SVG as a file of its own: where it is shown on a dark page, its colours are those of dark pages."""
    dark = ";".join(f"{name}:{colour}" for name, colour in DARK.items())
    start = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:start]}<style>@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>{svg[start:]}"


def _in_page(element: ElementTree.Element, prefix: str, linked: set[str]) -> None:
    """Change links, fonts and colours of an element, and leave out ids that nothing links to and space between tags."""
    name = element.attrib.pop("id", "")
    if name in linked:
        element.attrib["id"] = f"{prefix}-{name}"
    element.text = element.text if element.text and element.text.strip() else None
    element.tail = None
    if HREF in element.attrib:
        element.attrib[HREF] = element.attrib[HREF].replace("#", f"#{prefix}-", 1)
    for name in ("d", "x", "y", "transform"):
        if name in element.attrib:
            element.attrib[name] = " ".join(_LONG.sub(r"\1", element.attrib[name]).split())
    for name in ("clip-path", "style"):
        if name in element.attrib:
            text = _ID.sub(rf"url(#{prefix}-\1)", element.attrib[name])
            text = _FONT.sub("font-family: sans-serif", text)
            for colour, variable in VARIABLES.items():
                text = text.replace(colour, f"var({variable}, {colour})")
            element.attrib[name] = text
