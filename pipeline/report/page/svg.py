"""Makes an SVG file part of a page: small, described, and with ids that no other figure on the page has."""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markupsafe import Markup, escape

DECIMALS = 2  # of a coordinate: a hundredth of a point
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"
DRAWN = ("d", "x", "y", "width", "height", "points", "transform", "viewBox", "x1", "x2", "y1", "y2", "cx", "cy", "r")
DROPPED = ("metadata", "style")  # matplotlib's one style rule is for every element of a page; see ROOT_STYLE
ROOT_STYLE = "stroke-linejoin:round;stroke-linecap:butt"  # what that rule says, inherited from the root instead
REFERENCE = re.compile(r"url\(#([^)]*)\)")
TRANSLATE = re.compile(r"translate\(([\d.-]+) ([\d.-]+)\)")
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def inline_svg(svg: str, prefix: str, title: str) -> Markup:
    """The `<svg>` element of an SVG file for a page, as trusted markup.

    Ids that something refers to begin with `prefix`, the others are dropped, so that figures with different prefixes
    never clash. `title` is what a screen reader says.

    Raises:
        ValueError: the text is not an SVG document, or refers to an id that it does not have.
    """
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ValueError(f"not an SVG document: {error}") from error
    if root.tag != f"{SVG}svg":
        raise ValueError(f"not an SVG document: the root element is {root.tag}")
    _drop(root)
    referred = _references(root)
    missing = set(referred) - {element.get("id") for element in root.iter()}
    if missing:
        raise ValueError(f"the SVG refers to ids that it does not have: {', '.join(sorted(missing))}")
    names = {name: f"{prefix}-{number}" for number, name in enumerate(referred)}
    about = f"{prefix}-title"
    opening = {
        "viewBox": root.get("viewBox", f"0 0 {_size(root, 'width'):g} {_size(root, 'height'):g}"),
        "role": "img",
        "aria-labelledby": about,
        "style": ROOT_STYLE,
    }
    children = "".join(_markup(child, names) for child in root)
    return Markup(f'<svg{_attributes(opening)}><title id="{escape(about)}">{escape(title)}</title>{children}</svg>')


def width_of(svg: Markup) -> float:
    """Width of an inlined figure in its own units, which matplotlib takes for points.

    Raises:
        ValueError: the figure has no width.
    """
    found = re.search(r'viewBox="\S+ \S+ ([\d.]+)', svg)
    if found is None or float(found[1]) == 0:
        raise ValueError("the SVG has neither a viewBox nor a width")
    return float(found[1])


def _size(root: Element, side: str) -> float:
    """`width` or `height` of an SVG's root as a number, 0 when it has none."""
    found = re.match(r"[\d.]+", root.get(side, ""))
    return float(found[0]) if found else 0.0


def _drop(element: Element) -> None:
    for child in list(element):
        if _local(child.tag) in DROPPED:
            element.remove(child)
        else:
            _drop(child)


def _references(root: Element) -> list[str]:
    """The ids that something refers to, each once, in order."""
    found: dict[str, None] = {}
    for element in root.iter():
        for key, value in element.attrib.items():
            found |= dict.fromkeys(REFERENCE.findall(value))
            if _local(key) == "href" and value.startswith("#"):
                found[value[1:]] = None
    return list(found)


def _markup(element: Element, names: dict[str, str], inherited: str | None = None) -> str:
    """An element as markup, its ids by their new `names`; `inherited` is the style that its group has taken over."""
    attributes = {}
    for key, value in element.attrib.items():
        name = _local(key)
        if name == "id":
            if value in names:
                attributes[name] = names[value]
        elif name == "href" and value.startswith("#"):
            attributes[name] = f"#{names[value[1:]]}"
        elif name in DRAWN:
            attributes[name] = _short(value)
        elif name != "style" or value != inherited:
            attributes[name] = REFERENCE.sub(lambda found: f"url(#{names[found[1]]})", value)
    tag = _local(element.tag)
    moved = TRANSLATE.fullmatch(attributes.get("transform", ""))
    if tag == "use" and moved and not {"x", "y"} & attributes.keys():  # the same, shorter
        del attributes["transform"]
        attributes |= {axis: value for axis, value in zip("xy", moved.groups(), strict=True) if value != "0"}
    shared = _style_of_all(element)
    if shared is not None:
        attributes["style"] = shared
    if "style" in attributes:
        attributes["style"] = re.sub(r"\s*([:;])\s*", r"\1", attributes["style"])
    inside = "".join(_markup(child, names, shared) for child in element)
    text = escape((element.text or "").strip())
    if tag == "g" and not attributes:
        return inside
    if not inside and not text:
        return f"<{tag}{_attributes(attributes)}/>"
    return f"<{tag}{_attributes(attributes)}>{text}{inside}</{tag}>"


def _style_of_all(element: Element) -> str | None:
    """The style that all marks in a group have, and the group can have in their place: a curve's markers."""
    styles = {child.get("style") for child in element if _local(child.tag) == "use"}
    alone = _local(element.tag) == "g" and not element.get("style") and len(element) > 1
    return styles.pop() if alone and len(styles) == 1 and all(_local(child.tag) == "use" for child in element) else None


def _short(value: str) -> str:
    """Coordinates with fewer digits, and without the spaces and line ends that they do not need."""
    return re.sub(r"([A-Za-z]) (?=[\d.-])", r"\1", " ".join(NUMBER.sub(_rounded, value).split()))


def _attributes(attributes: dict[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())


def _rounded(number: re.Match[str]) -> str:
    value = float(number[0])
    if abs(value) < 1:  # it may be a scale
        return f"{value:.6g}"
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def _local(name: str) -> str:
    return name.rpartition("}")[2]
