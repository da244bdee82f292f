"""The colour and marker of every method, in figures, MLflow and DVC's plots alike (tests hold `.dvc/plots/` equal)."""

from zlib import crc32

# Okabe & Ito's colour-blind-safe palette for the first eight. There are more methods than colours that all can tell
# apart, so no two share a colour or a marker; methods that are not named take spare ones, by their name alone.
COLOURS = {
    "dense": "#000000",
    "cqp": "#0072B2",
    "magnitude": "#D55E00",
    "osqp": "#CC79A7",
    "random": "#999999",
    "regrow": "#009E73",
    "gradient": "#E69F00",
    "membrane": "#56B4E9",
    "cqp_gradual": "#332288",
    "osqp_exact": "#882255",
    "lamp": "#117733",
    "wanda": "#AA4499",
    "sf_imp": "#44AA99",
    "taylor": "#DDAA33",
    "snip": "#EE6677",
    "grasp": "#AA3377",
    "synflow": "#66CCEE",
    "obs": "#228833",
    "random_static": "#BBBBBB",
    "set": "#7F3C8D",
    "rigl": "#A5AA99",
    "lottery": "#E17C05",
}
MARKERS = {
    "dense": "D",
    "cqp": "o",
    "magnitude": "s",
    "osqp": "^",
    "random": "x",
    "regrow": "v",
    "gradient": "P",
    "membrane": "*",
    "cqp_gradual": "p",
    "osqp_exact": "<",
    "lamp": "h",
    "wanda": "X",
    "sf_imp": "d",
    "taylor": ">",
    "snip": "8",
    "grasp": "H",
    "synflow": "+",
    "obs": "1",
    "random_static": "2",
    "set": "3",
    "rigl": "4",
    "lottery": "|",
}
SPARE_COLOURS = ("#8B6508", "#7A3E9D", "#B22222", "#4B5320", "#1B9AAA")
SPARE_MARKERS = (".", "_", "$u$", "$w$", "$z$")


def colour_of(method: str) -> str:
    """The colour of a method, `#rrggbb`."""
    return COLOURS.get(method, SPARE_COLOURS[crc32(method.encode()) % len(SPARE_COLOURS)])


def marker_of(method: str) -> str:
    """Its marker, as matplotlib names it."""
    return MARKERS.get(method, SPARE_MARKERS[crc32(method.encode()) % len(SPARE_MARKERS)])
