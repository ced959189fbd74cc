"""Figures as SVG that can stand inside a page: no styles, no links, ids of their own."""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET  # reads only what matplotlib has just written
from collections.abc import Iterator
from contextlib import contextmanager

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.style import context

__all__ = ["drawing_style", "inline_svg"]

HREF = "{http://www.w3.org/1999/xlink}href"

# The page's own font stack applies; matplotlib's long list of families would repeat it.
DROPPED_PROPERTIES = ("font-family", "font")

STYLE = {
    "font.size": 9.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "sonobench",
    "text.usetex": False,
    "axes.unicode_minus": True,
}


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw with matplotlib's defaults and ours, whatever the user's own settings are."""
    with context(["default", STYLE]), warnings.catch_warnings():
        # The browser has the glyphs that matplotlib's font lacks; it only measures with it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def inline_svg(figure: Figure, *, name: str, alt: str) -> Markup:
    """Return a figure as an ``svg`` element to be put into a page as it is.

    Style attributes become presentation attributes, so that a page may forbid every
    style but its own; ids get a prefix, so that figures do not share them.

    Parameters
    ----------
    figure : Figure
        A drawn figure. Call inside `drawing_style`.
    name : str
        Prefix of the ids; unique on the page.
    alt : str
        What the figure shows, for those who do not see it.

    Returns
    -------
    Markup
        The same bytes for the same figure.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    root = ET.fromstring(buffer.getvalue())  # noqa: S314  # matplotlib's own output
    _drop(root, "metadata")
    _drop(root, "style")
    for element in root.iter():
        element.tag = element.tag.partition("}")[2]
        _plain_attributes(element, name)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": alt}
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704  # ElementTree has escaped it


def _drop(root: ET.Element, tag: str) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith("}" + tag):
                parent.remove(child)


def _plain_attributes(element: ET.Element, name: str) -> None:
    attributes = dict(element.attrib)
    style = attributes.pop("style", "")
    if HREF in attributes:
        attributes["href"] = f"#{name}-{attributes.pop(HREF).removeprefix('#')}"
    if "id" in attributes:
        attributes["id"] = f"{name}-{attributes['id']}"
    attributes |= _presentation(style)
    for key, value in attributes.items():
        attributes[key] = re.sub(r"url\(#", f"url(#{name}-", value)
    if "d" in attributes:
        attributes["d"] = " ".join(attributes["d"].split())
    element.attrib = attributes
    if element.tag != "text":
        element.text = None
    element.tail = None


def _presentation(style: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    properties = {key.strip(): value.strip() for key, _, value in pairs}
    shorthand = properties.get("font")
    if shorthand is not None:
        # Older matplotlib writes "700 9px 'DejaVu Sans', ..." where newer ones write longhands.
        weight = re.search(r"\b(bold|[1-9]00)\b", shorthand)
        size = re.search(r"[\d.]+px", shorthand)
        properties |= {"font-weight": weight[0]} if weight else {}
        properties |= {"font-size": size[0]} if size else {}
    return {key: value for key, value in properties.items() if key not in DROPPED_PROPERTIES}
