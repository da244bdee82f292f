"""One label space for the classes of all splits."""

import doctest

import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.events import labels
from snnprune.data.events.labels import join_names, number_labels, relabel, sort_names


def test_numbers_are_sorted_as_numbers_and_before_words() -> None:
    assert sort_names(["10", "sp", "9", "cl", "9", "100"]) == ("9", "10", "100", "cl", "sp")


def test_the_examples_hold() -> None:
    assert doctest.testmod(labels) == (0, 3)


def test_equal_names_keep_their_order() -> None:
    assert join_names(("zero", "one", "two"), ("zero", "one", "two")) == ("zero", "one", "two")


def test_a_class_of_one_split_alone_gets_its_own_label_in_both() -> None:
    train, test = ("6", "8"), ("7", "8")
    names = join_names(train, test)
    assert names == ("6", "7", "8")
    assert relabel(np.array([0, 1, 0]), train, names).tolist() == [0, 2, 0]
    assert relabel(np.array([0, 1, 0]), test, names).tolist() == [1, 2, 1]


def test_numbers_become_labels_from_0_and_keep_their_names() -> None:
    found, names = number_labels(np.array([9, 6, 6, 10], np.uint8), "file")
    assert (found.tolist(), names, found.dtype) == ([1, 0, 0, 2], ("6", "9", "10"), np.int64)


@pytest.mark.parametrize("found", [np.array([0.0, 1.0]), np.array(["a", "b"]), np.array([[0, 1]]), np.array([True])])
def test_labels_that_are_no_whole_numbers_are_an_error(found: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"^my.npz: labels: expected whole numbers \[N\], one a recording; found "):
        number_labels(found, "my.npz: labels")


def test_no_labels_are_an_error() -> None:
    with pytest.raises(DataError, match="^my.npz: labels: no recordings"):
        number_labels(np.array([], np.int64), "my.npz: labels")
