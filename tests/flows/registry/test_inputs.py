"""What is read from a body, and one short reason for every other."""

import json

import numpy as np
import pytest

from flows.registry.inputs import InputError, read_inputs

SHAPE, FLOAT = (-1, 1, 2, 2), np.dtype("float32")
IMAGE = [[[0.25, 1], [0, 1e-3]]]
EXPECTED = '{"inputs": [B, 1, 2, 2]}'


def with_last(value: object) -> dict[str, object]:
    """Two images, the last entry of the second replaced."""
    return {"inputs": [IMAGE, [[[0.25, 1], [0, value]]]]}


def test_numbers_are_read_as_they_are() -> None:
    found = read_inputs(json.dumps({"inputs": [IMAGE, IMAGE]}).encode(), SHAPE, FLOAT)
    assert found.dtype == FLOAT
    np.testing.assert_array_equal(found, np.array([IMAGE, IMAGE], dtype=FLOAT))
    found = read_inputs(b'{"inputs": [[[[NaN, Infinity], [1e300, 18446744073709551616]]]]}', SHAPE, FLOAT)
    np.testing.assert_array_equal(found.ravel(), np.array([np.nan, np.inf, np.inf, 2.0**64], dtype=FLOAT))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (with_last("0.5"), "inputs[1][0][1][1]: expected a number; found a string"),
        (with_last(True), "inputs[1][0][1][1]: expected a number; found a boolean"),
        (with_last(False), "inputs[1][0][1][1]: expected a number; found a boolean"),
        (with_last(None), "inputs[1][0][1][1]: expected a number; found null"),
        (with_last({}), "inputs[1][0][1][1]: expected a number; found an object"),
        (with_last([0.5]), "inputs: its lists differ in length or depth; expected [B, 1, 2, 2]"),
        ({"inputs": [[[[1, 2], [3]]]]}, "inputs: its lists differ in length or depth; expected [B, 1, 2, 2]"),
        ({"inputs": [["0.5"]]}, "inputs[0][0]: expected a number; found a string"),
        ({"inputs": []}, "inputs: no sample was given; expected [B, 1, 2, 2] with at least one"),
        ({"inputs": [[], []]}, "inputs: expected the shape [B, 1, 2, 2]; found [2, 0]"),
        ({"inputs": IMAGE}, "inputs: expected the shape [B, 1, 2, 2]; found [1, 2, 2]"),
        ({"inputs": [[IMAGE]]}, "inputs: expected the shape [B, 1, 2, 2]; found [1, 1, 1, 2, 2]"),
        ({"inputs": [[[[1, 2, 3, 4]]]]}, "inputs: expected the shape [B, 1, 2, 2]; found [1, 1, 1, 4]"),
        ({"inputs": 5}, "inputs: expected numbers, [B, 1, 2, 2]; found a number"),
        ({"inputs": "0.5"}, "inputs: expected numbers, [B, 1, 2, 2]; found a string"),
        ({"inputs": None}, "inputs: expected numbers, [B, 1, 2, 2]; found null"),
        ({"inputs": {"a": IMAGE}}, "inputs: expected numbers, [B, 1, 2, 2]; found an object"),
        (with_last(10**400), "inputs: a number is too large: int too large to convert to float"),
        ({"inputs": [IMAGE], "foo": 1}, f"unknown key 'foo'; the only one allowed is 'inputs': {EXPECTED}"),
        ({"params": {}, "inputs": [IMAGE]}, f"unknown key 'params'; the only one allowed is 'inputs': {EXPECTED}"),
        ({"instances": [IMAGE]}, f"unknown key 'instances'; the only one allowed is 'inputs': {EXPECTED}"),
        ({}, f"no key 'inputs' was found; expected {EXPECTED}"),
        ([IMAGE], f"the body: expected {EXPECTED}; found a list"),
        ("text", f"the body: expected {EXPECTED}; found a string"),
    ],
)
def test_anything_else_is_refused_with_the_reason(content: object, reason: str) -> None:
    with pytest.raises(InputError) as found:
        read_inputs(json.dumps(content).encode(), SHAPE, FLOAT)
    assert str(found.value) == reason


def test_a_dimension_of_any_size_must_be_there() -> None:
    body = json.dumps({"inputs": [[0.5]]}).encode()
    assert read_inputs(body, (-1, -1), FLOAT).shape == (1, 1)
    with pytest.raises(InputError, match=r"^inputs: expected the shape \[B, B, B\]; found \[1, 1\]$"):
        read_inputs(body, (-1, -1, -1), FLOAT)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no json", "Expecting value: line 1 column 1"),
        (b"", "Expecting value: line 1 column 1"),
        (b"\xff", "codec can't decode byte 0xff"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
        (b'{"inputs": [[[[%s]]]]}' % (b"9" * 6000), "Exceeds the limit"),
        (b'{"inputs": %s}' % (b"[" * 100 + b"]" * 100), "expected the shape"),
        (b'{"inputs": %s1%s}' % (b"[" * 100, b"]" * 100), "expected the shape"),
        (b'{"inputs": %s"1"%s}' % (b"[" * 40, b"]" * 40), "expected the shape"),
        (b'{"%s": 1}' % (b"k" * 10_000), "unknown key 'kkkkk"),
    ],
)
def test_no_body_is_too_odd_for_a_short_reason(body: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as found:
        read_inputs(body, SHAPE, FLOAT)
    assert len(str(found.value)) < 300
