"""Writes the page that `dvc plots show` fills in, with Vega inside, so that it needs no network.

DVC's own page loads Vega from a content delivery network.
"""

import argparse
from pathlib import Path

import vl_convert

VEGA_LITE = "5.20"  # DVC's own templates are written for 5

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{{refresh_tag}}
<title>Plots</title>
<style>body {{ font-family: sans-serif; margin: 1rem; }}</style>
<script>{vega}</script>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


def page() -> str:
    """The page; DVC replaces `{refresh_tag}` and `{plot_divs}`."""
    vega = vl_convert.javascript_bundle(vl_version=VEGA_LITE)
    return PAGE.format(vega=vega.replace("</script", "<\\/script"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.plots_page", description="Write the page of the plots.")
    parser.add_argument("path", type=Path, help="where to, for `dvc plots show --html-template`")
    parser.parse_args().path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
