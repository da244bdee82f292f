"""What a recording must be, and the size of a sensor found from all of them."""

import numpy as np
import pytest

from snnprune.core.errors import DataError
from snnprune.data.events.source import Recording, check, sensor_size
from tests.snnprune.data.events.recordings import recording, source_of


def test_a_recordings_duration_covers_the_microsecond_of_its_last_event() -> None:
    assert recording([5, 5, 1004]).duration_ms == 1.0
    assert recording([7]).duration_ms == 0.001


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (recording([]), "no events; remove the recording"),
        (recording([3, 4, 4, 2, 5]), "not in the order of time: event 3 is at 2 us, the one before at 4 us; sort"),
        (recording([1, 2, 3], x=[0, -1, 0]), "x of event 1 is -1; allowed are 0 to 65535"),
        (recording([1, 2, 3], y=[0, 0, -7]), "y of event 2 is -7; allowed are 0 to 65535"),
        (recording([1, 2, 3], x=[0, 65_536, 0]), "x of event 1 is 65536; allowed are 0 to 65535"),
        (recording([7, 10**14 + 8]), "100,000,000,000,001 us from the first event to the last; allowed are up to 100,"),
        (recording([-(2**62) + 1, 2**62 - 1]), "9,223,372,036,854,775,806 us from the first event to the last"),
        (recording([1, 2, 3], p=[0, 1, 2]), "polarity of event 2 is 2; allowed are 0 and 1"),
        (recording([1, 2, 3], p=[0, -1, 1]), "polarity of event 1 is -1; allowed are 0 and 1"),
    ],
)
def test_an_impossible_recording_is_an_error_with_its_file_and_event(wrong: Recording, message: str) -> None:
    with pytest.raises(DataError) as caught:
        check(wrong)
    assert str(caught.value).startswith(f"made-up[0]: {message}")


def test_a_source_checks_each_recording_when_it_is_read() -> None:
    source = iter(source_of([recording([1, 2]), recording([2, 1], index=1)]))
    next(source)
    with pytest.raises(DataError, match=r"^made-up\[1\]: not in the order of time"):
        next(source)


def test_the_sensor_holds_the_events_of_all_sources() -> None:
    tall = source_of([recording([1, 2], x=[3, 0], y=[0, 9]), recording([1], x=5, y=2, index=1)])
    wide = source_of([recording([1], x=11, y=1)])
    assert sensor_size(tall) == (10, 6)
    assert sensor_size(tall, wide) == (10, 12)
    assert sensor_size(source_of([recording([1])], size=(1, 700))) == (1, 700)


def test_coordinates_may_be_of_any_type() -> None:
    small = np.array([255, 0], np.uint8)
    made = Recording(np.array([1, 2]), small, small, np.array([True, False]), 0, "made-up", 0)
    assert sensor_size(source_of([made])) == (256, 256)
