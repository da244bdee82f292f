"""A compact SVG is the same picture: every style is there, in fewer bytes."""

from xml.etree import ElementTree

from pipeline.report.compact import compact

USE = '  <use x="1.23456" y="2" style="fill: red"/>\n'
SVG = f'<svg>\n <style type="text/css">*{{{{a: b}}}}</style>\n <g>\n{USE * 3}{{}} </g>\n</svg>\n'


def test_a_style_that_stands_there_often_is_a_class_and_another_stays() -> None:
    text = compact(SVG.format('<path d="M 0.129 1 \nL 22.999 1.5" style="stroke: red"/>'))
    _, style, _, *uses, path = ElementTree.fromstring(text).iter()
    assert style.text == "*{a: b}.c0{fill: red}"
    assert [use.attrib for use in uses] == [{"x": "1.23", "y": "2", "class": "c0"}] * 3
    assert path.attrib == {"d": "M 0.12 1  L 22.99 1.5", "style": "stroke: red"}


def test_texts_keep_their_digits_and_lose_only_a_turn_by_nothing() -> None:
    upright = '<text x="1" transform="rotate(-0 1 2)">0.12345</text><text transform="rotate(-90 1.2345 2)">up</text>'
    root = ElementTree.fromstring(compact(SVG.format(upright)))
    flat, up = root.iter("text")
    assert (flat.text, flat.attrib) == ("0.12345", {"x": "1"})
    assert up.attrib == {"transform": "rotate(-90 1.23 2)"}
