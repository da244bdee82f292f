"""Reads what a client sends to a served net; where it is something else, the reason is one line."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

INPUTS = "inputs"
NAMES = {str: "a string", bool: "a boolean", type(None): "null", dict: "an object", list: "a list"}
KEY_LENGTH = 40  # of letters


class InputError(ValueError):
    """A body is not what a net takes; the message says what was found and what is expected."""


def read_inputs(body: bytes, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """The array in the body of a request, `{"inputs": [...]}`.

    Args:
        body: JSON.
        shape: of the array; -1 is any size.
        dtype: what its numbers become.

    Raises:
        InputError: the body is no JSON, has another key, holds an entry that is no number, or has another shape.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:  # lists in lists without end, numbers of thousands of digits
        raise InputError(f"the body cannot be read as JSON: {error}") from error
    expected = f'{{"{INPUTS}": {shape_text(shape)}}}'
    if not isinstance(content, dict):
        raise InputError(f"the body: expected {expected}; found {_name(content)}")
    if unknown := [key for key in content if key != INPUTS]:
        raise InputError(f"unknown key {unknown[0][:KEY_LENGTH]!r}; the only one allowed is {INPUTS!r}: {expected}")
    if INPUTS not in content:
        raise InputError(f"no key {INPUTS!r} was found; expected {expected}")
    values = _numbers(content[INPUTS], shape)
    try:
        with np.errstate(over="ignore"):  # infinite then, which the net names
            return values.astype(dtype)
    except OverflowError as error:
        raise InputError(f"{INPUTS}: a number is too large: {error}") from error


def shape_text(shape: Sequence[int]) -> str:
    """`[B, 1, 8, 8]`; B is any size."""
    return f"[{', '.join('B' if size < 0 else str(size) for size in shape)}]"


def _numbers(given: Any, shape: Sequence[int]) -> np.ndarray:
    """Lists in lists of numbers as an array of Python's numbers, in which numpy has not made numbers of anything else.
    Raises InputError."""
    expected = shape_text(shape)
    if not isinstance(given, list):
        raise InputError(f"{INPUTS}: expected numbers, {expected}; found {_name(given)}")
    if not given:
        raise InputError(f"{INPUTS}: no sample was given; expected {expected} with at least one")
    values = np.array(given, dtype=object)
    other_shape = InputError(f"{INPUTS}: expected the shape {expected}; found {list(values.shape)}")
    if values.ndim > len(shape):
        raise other_shape
    wrong = set(map(type, values.flat)) - {int, float}
    if list in wrong:
        raise InputError(f"{INPUTS}: its lists differ in length or depth; expected {expected}")
    if wrong:
        index = next(index for index, value in np.ndenumerate(values) if type(value) in wrong)
        place = "".join(f"[{one}]" for one in index)
        raise InputError(f"{INPUTS}{place}: expected a number; found {_name(values[index])}")
    if values.ndim < len(shape) or any(
        size not in (-1, found) for size, found in zip(shape, values.shape, strict=True)
    ):
        raise other_shape
    return values


def _name(value: Any) -> str:
    return NAMES.get(type(value), "a number")
