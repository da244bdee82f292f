"""N-MNIST's .bin and .npy: bytes in, columns out, damage named."""

import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.events.formats import Events, read_bin, read_gesture, read_npy
from tests.snnprune.data.events.recordings import as_bin, as_npy, random_events, rows

EVENTS = Events(*map(np.array, ([10, 20, 35], [3, 0, 7], [1, 2, 0], [1, 0, 1])))
RECORD = np.dtype([("x", np.int16), ("y", np.int16), ("p", bool), ("t", np.int64)])


def columns(events: Events) -> list[list[int]]:
    return [column.tolist() for column in events]


def test_five_bytes_are_x_y_polarity_and_23_bits_of_time() -> None:
    content = bytes([3, 33, 0x80 | 0x12, 0x34, 0x56, 33, 0, 0x12, 0x34, 0x57])
    assert columns(read_bin(content, "a.bin")) == [[0x123456, 0x123457], [3, 33], [33, 0], [1, 0]]


def test_a_row_of_240_adds_8192_us_to_all_that_follows_and_is_no_event() -> None:
    marker = bytes([0, 240, 0, 0, 0])
    first, second, third = bytes([1, 1, 0, 0, 5]), bytes([2, 2, 0, 0, 6]), bytes([3, 3, 0, 0, 7])
    read = read_bin(first + marker + second + marker + marker + third, "a.bin")
    assert columns(read) == [[5, 8192 + 6, 3 * 8192 + 7], [1, 2, 3], [1, 2, 3], [0, 0, 0]]


def test_what_is_written_is_read_again() -> None:
    events = random_events(500, seed=0, height=34, width=34, last_us=300_000)
    assert columns(read_bin(as_bin(events), "a.bin")) == columns(events)
    assert columns(read_npy(as_npy(rows(events)), "a.npy")) == columns(events)


@pytest.mark.parametrize("kind", [np.uint64, np.int32, np.float64, np.float16, np.int8])
def test_rows_of_whole_numbers_may_have_any_type(kind: type) -> None:
    read = read_npy(as_npy(rows(EVENTS).astype(kind)), "a.npy")
    assert columns(read) == columns(EVENTS)
    assert {column.dtype for column in read} == {np.dtype(np.int64)}


def test_a_record_is_read_by_its_fields_names() -> None:
    record = np.zeros(3, RECORD)
    for name in EVENTS._fields:
        record[name] = getattr(EVENTS, name)
    assert columns(read_npy(as_npy(record), "a.npy")) == columns(EVENTS)


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_rows_of_dvs_gesture_are_x_y_p_and_milliseconds(kind: type) -> None:
    content = as_npy(np.array([[5, 6, 1, 2], [7, 8, 0, 3]], kind))
    assert columns(read_gesture(content, "0.npy")) == [[2000, 3000], [5, 7], [6, 8], [1, 0]]


def test_a_record_of_dvs_gesture_is_an_error_as_its_unit_of_time_is_not_known() -> None:
    with pytest.raises(DataError, match=r"^0.npy: expected rows of x, y, p, t \[n, 4\]; found "):
        read_gesture(as_npy(np.zeros(3, RECORD)), "0.npy")


def test_text_instead_of_dvs_gestures_numbers_is_an_error() -> None:
    with pytest.raises(DataError, match=r"^0.npy: t: expected whole numbers; found <U1"):
        read_gesture(as_npy([["1", "1", "1", "0"]]), "0.npy")


def test_a_fraction_of_a_millisecond_of_dvs_gesture_is_kept_to_the_microsecond() -> None:
    assert read_gesture(as_npy([[5, 6, 1, 2.0019]]), "0.npy").t.tolist() == [2001]


def test_a_file_cut_short_is_an_error() -> None:
    with pytest.raises(DataError, match="^a.bin: truncated: 14 bytes, expected a multiple of 5"):
        read_bin(as_bin(EVENTS)[:-1], "a.bin")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable .npy file"),
        (b"PK\x03\x04 something else", "not a readable .npy file"),
        (as_npy(rows(EVENTS))[:-3], "not a readable .npy file"),
        (
            as_npy(rows(EVENTS)[:, :3]),
            "expected rows of t, x, y, p [n, 4], or a record of fields with these names; found",
        ),
        (as_npy([1, 2, 3, 4]), "expected rows of t, x, y, p [n, 4]"),
        (as_npy(np.zeros(2, [("t", int), ("x", int)])), "field y, p missing; expected t, x, y, p; found t, x"),
        (as_npy([[0.0125, 1, 1, 0]]), "t of event 0 is 0.0125, expected a whole number; t is in microseconds"),
        (as_npy([[1, 1, 1, 0], [2, 1.5, 1, 0]]), "x of event 1 is 1.5, expected a whole number"),
        (as_npy([[np.nan, 1, 1, 0]]), "t of event 0 is nan, expected a whole number"),
        (as_npy([["1", "1", "1", "0"]]), "t: expected whole numbers; found <U1"),
        (as_npy([[1, 1, 1, 0], [1e300, 1, 1, 0]]), "t of event 1 is 1e+300, expected a whole number below 2^62; t is"),
        (as_npy(np.array([[2**63, 1, 1, 0]], np.uint64)), "t of event 0 is 9223372036854775808, expected a whole"),
        (as_npy([[-np.inf, 1, 1, 0]]), "t of event 0 is -inf, expected a whole number below 2^62"),
        (as_npy(np.zeros(2, [("t", int), ("x", int, 2), ("y", int), ("p", int)])), "field x: expected one value an"),
    ],
)
def test_a_damaged_npy_is_an_error_with_its_file(content: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_npy(content, "Train/3/a.npy")
    assert str(caught.value).startswith(f"Train/3/a.npy: {message}")


def test_pickled_objects_are_never_loaded() -> None:
    with pytest.raises(DataError, match="not a readable .npy file"):
        read_npy(as_npy(np.array([{}], object)), "a.npy")
