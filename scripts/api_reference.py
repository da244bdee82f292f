"""Writes docs/api.md, the reference of the public names, from their signatures and docstrings: `make docs`."""

import importlib
import inspect
import re
from pathlib import Path

import snnprune

PAGE = Path(__file__).resolve().parents[1] / "docs/api.md"
TITLE = """# Reference

Made from the docstrings by `make docs`; a test holds it current. The library is what `snnprune` has; the rest is what
the author of a method or a study needs, see [extending.md](extending.md).
"""
FOR_AUTHORS = {
    "For the author of a method": (
        "snnprune.methods",
        "snnprune.core.schema.Block",
        "snnprune.pruning.problem.Problem",
        "snnprune.pruning.problem.Measure",
        "snnprune.pruning.mask.Mask",
        "snnprune.pruning.activity",
    ),
    "For the author of a study": (
        "pipeline.studies",
        "pipeline.study.StudyParams",
        "pipeline.study.Study",
        "pipeline.study.Inputs",
        "pipeline.study.Net",
        "pipeline.report.studies",
        "pipeline.report.studies.StudyReport",
        "pipeline.report.studies.StudySummary",
        "pipeline.report.studies.Context",
        "pipeline.report.style.Drawing",
        "pipeline.report.page.content.PageTable",
    ),
}


def reference() -> str:
    """The whole page."""
    library = [_entry(f"snnprune.{name}", getattr(snnprune, name)) for name in snnprune.__all__]
    parts = [TITLE, "## The library\n", *library]
    for title, names in FOR_AUTHORS.items():
        parts += [f"## {title}\n", *(_entry(name, _found(name)) for name in names)]
    return "\n".join(parts)


def _found(name: str) -> object:
    """A module, or what a module holds."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


def _entry(name: str, found: object) -> str:
    """Heading, signature and docstring; of a class its methods and properties, too."""
    signature = "" if inspect.ismodule(found) else f"{_code(_signature(name, found))}\n"
    members = [_member(key, value) for key, value in vars(found).items()] if inspect.isclass(found) else []
    return "\n".join([f"### {name}\n", signature + _code(_doc(found)), *filter(None, members)])


def _member(key: str, value: object) -> str:
    """A line of a public method or property that is documented."""
    if isinstance(value, property):
        function, shown = value.fget, key
    else:
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        shown = _signature(key, function) if inspect.isfunction(function) else ""
    if key.startswith("_") or not shown or not _doc(function):
        return ""
    return f"- `{' '.join(shown.split())}`: {' '.join(_doc(function).split())}\n"


def _signature(name: str, found: object) -> str:
    """`train(network, data, *, seed=0)`, an argument a line where it is long; types by their short names."""
    try:
        signature = inspect.signature(found)
    except ValueError:  # a class of which Python knows no signature
        return name
    text = str(signature.replace(return_annotation=signature.empty) if inspect.isclass(found) else signature)
    line = name + _short(text)
    if len(line) <= 100 or not signature.parameters:
        return line
    arguments = ",\n    ".join(_short(str(one)) for one in signature.parameters.values())
    _, arrow, returns = text.rpartition(" -> ")
    return f"{name}(\n    {arguments},\n)" + (f" -> {_short(returns)}" if arrow else "")


def _short(text: str) -> str:
    """Without the modules of classes, and without addresses."""
    return re.sub(r"<function (\w+) at 0x\w+>", r"\1", re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])", "", text))


def _doc(found: object) -> str:
    return inspect.cleandoc(getattr(found, "__doc__", None) or "")


def _code(text: str) -> str:
    return f"```text\n{text}\n```\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
