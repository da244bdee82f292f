"""The `events` block: defaults, shapes, and errors that name the key."""

from typing import Any

import pytest

from snnprune.core.schema import ParamsError, validate
from snnprune.data.events.params import FramesParams


def load(**change: Any) -> FramesParams:
    return validate(FramesParams, {"timesteps": 10, **change}, "events")


def test_defaults_are_counts_of_both_polarities_over_the_recordings_own_length() -> None:
    params = load()
    assert (params.by, params.window_ms, params.size, params.crop) == ("time", None, None, None)
    assert (params.downsample, params.denoise_ms, params.polarity, params.values) == (1, 0.0, True, "counts")


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        ({}, (10, 2, 34, 35)),
        ({"polarity": False}, (10, 1, 34, 35)),
        ({"downsample": 2}, (10, 2, 17, 18)),
        ({"crop": [2, 3, 30, 31]}, (10, 2, 30, 31)),
        ({"crop": [2, 3, 30, 31], "downsample": 4}, (10, 2, 8, 8)),
        ({"downsample": 100}, (10, 2, 1, 1)),
    ],
)
def test_the_shape_of_a_recordings_frames(change: dict[str, Any], shape: tuple[int, ...]) -> None:
    assert load(**change).shape((34, 35)) == shape


def test_a_sensor_of_one_polarity_has_one_channel() -> None:
    assert load().shape((1, 700), channels=1) == (10, 1, 1, 700)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timesteps": 0}, "events.timesteps: "),
        ({"by": "events"}, "events.by: "),
        ({"window_ms": 0.0}, "events.window_ms: "),
        ({"window_ms": 300, "by": "count"}, "events: window_ms is for `by: time`; remove it, or cut by time"),
        ({"size": [34]}, "events.size: "),
        ({"size": [34, 0]}, "events.size[1]: "),
        ({"crop": [0, 0, 10]}, "events.crop: expected [top, left, height, width]"),
        ({"crop": [0, 0, 10, 0]}, "events.crop: expected [top, left, height, width] with a height and width"),
        ({"crop": [-1, 0, 10, 10]}, "events.crop[0]: "),
        ({"size": [34, 34], "crop": [30, 0, 5, 5]}, "events: crop: [30, 0, 5, 5] reaches beyond the sensor of 34 x 34"),
        ({"downsample": 0}, "events.downsample: "),
        ({"denoise_ms": -1.0}, "events.denoise_ms: "),
        ({"values": "spikes"}, "events.values: "),
        ({"polarities": 2}, "events.polarities: unknown key; allowed here: timesteps, by, window_ms"),
    ],
)
def test_errors_name_the_key(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load(**change)
    assert str(caught.value).startswith(message)
