"""The schema of the `events` block: how recordings become frames."""

from typing import Annotated, Any, Literal

import pydantic

from snnprune.core.schema import Block, Count

Position = Annotated[int, pydantic.Field(ge=0, le=1_000_000)]
Size = Annotated[list[Count], pydantic.Field(min_length=2, max_length=2)]
Milliseconds = Annotated[float, pydantic.Field(ge=0.001, le=1e9)]


def _is_box(value: Any) -> Any:
    if len(value) != 4 or min(value[2:]) < 1:
        raise ValueError("expected [top, left, height, width] with a height and width of at least 1")
    return value


Box = Annotated[list[Position], pydantic.AfterValidator(_is_box)]


class FramesParams(Block):
    """How a recording becomes frames [T, C, H, W]: denoised, cropped, cut into T frames, summed over pixels.

    timesteps: T, the number of frames.
    by: `time`: frames of equal length; `count`: frames of equal numbers of the events that denoising and cropping left
        (differing by one at most).
    window_ms: by time, what is cut into frames is the first so many milliseconds of a recording, from its first event;
        later events are dropped and counted. None: each recording's own length, first to last event.
    size: [height, width] of the sensor; an event outside is an error. None: the format's, or else the largest
        coordinates found.
    crop: [top, left, height, width] in pixels of the sensor; events outside are dropped and counted.
    downsample: a frame's pixel is the sum of so many times so many of the sensor's (the last row and column: of those
        that are left).
    denoise_ms: an event is dropped unless the pixel left, right, above or below had one within so many milliseconds
        before it: tonic's `Denoise`. 0: off.
    polarity: a channel for each polarity (channel 1: rising brightness), or both added up in one.
    values: `counts`, up to 255 events, more are cut off and counted; or `bits`, 1 where there was an event.
    """

    timesteps: Annotated[int, pydantic.Field(ge=1, le=10_000)]
    by: Literal["time", "count"] = "time"
    window_ms: Milliseconds | None = None
    size: Size | None = None
    crop: Box | None = None
    downsample: Count = 1
    denoise_ms: Annotated[float, pydantic.Field(ge=0, le=1e9)] = 0.0
    polarity: bool = True
    values: Literal["counts", "bits"] = "counts"

    @pydantic.model_validator(mode="after")
    def _window_fits(self) -> "FramesParams":
        if self.by == "count" and self.window_ms is not None:
            raise ValueError("window_ms is for `by: time`; remove it, or cut by time")
        return self

    @pydantic.model_validator(mode="after")
    def _crop_fits(self) -> "FramesParams":
        if self.size is not None:
            self.box((self.size[0], self.size[1]))
        return self

    def box(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of what is cut out of a sensor of `size` (height, width). Raises ValueError:
        the crop reaches beyond the sensor."""
        if self.crop is None:
            return 0, 0, *size
        top, left, height, width = self.crop
        if top + height > size[0] or left + width > size[1]:
            raise ValueError(f"crop: {self.crop} reaches beyond the sensor of {size[0]} x {size[1]} (height x width)")
        return top, left, height, width

    def shape(self, size: tuple[int, int], channels: int = 2) -> tuple[int, int, int, int]:
        """[T, C, H, W] of a recording's frames, from a sensor of `size` (height, width) with so many polarities. Raises
        ValueError: as `box`."""
        _, _, height, width = self.box(size)
        factor = self.downsample
        return self.timesteps, channels if self.polarity else 1, -(-height // factor), -(-width // factor)
