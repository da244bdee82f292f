"""An SVG of matplotlib in fewer bytes: a page holds twenty, and eighteen methods have hundreds of marks each."""

import re
from collections import Counter

PLACES = re.compile(r'(?<= )(?:d|x|y|transform)="[^"]*"')
STYLED = re.compile(r'style="([^"]*)"')
UPRIGHT = re.compile(r' transform="rotate\(-0 [^"]*"')
OFTEN = 3


def compact(svg: str) -> str:
    """The same picture: places to a hundredth of a point, no indentation, and a class for a style that stands there
    `OFTEN` or more."""
    svg = PLACES.sub(lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), UPRIGHT.sub("", svg))
    often = [style for style, count in Counter(STYLED.findall(svg)).items() if count >= OFTEN]
    classes = {style: f"c{index}" for index, style in enumerate(often)}
    svg = STYLED.sub(lambda found: f'class="{classes[found[1]]}"' if found[1] in classes else found[0], svg)
    rules = "".join(f".{name}{{{style}}}" for style, name in classes.items())
    return re.sub(r"\n\s*", "\n", svg).replace("</style>", f"{rules}</style>", 1)
