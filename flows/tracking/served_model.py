"""A dense or pruned network as an MLflow model: `predict(images)`, or that of frames, gives spike counts per class.

MLflow copies this file and what it imports of `snnprune` beside the weights ("models from code"), so a logged model
loads without the project's folder, given the packages in its requirements.
"""

from typing import Any

import mlflow.pyfunc
import numpy as np
from mlflow.exceptions import MlflowException


class SpikeCounts(mlflow.pyfunc.PythonModel):
    """Loads the weights file (artifact `weights`) when the model is loaded."""

    def load_context(self, context: Any) -> None:  # MLflow looks at the name `context`
        """Rebuild the network, compiled where that pays. torch is imported here: logging a model does not need it."""
        import torch

        from snnprune.core.checkpoint import load_network
        from snnprune.core.params import Frames
        from snnprune.sparse.runtime import fastest_form

        self._network = fastest_form(load_network(context.artifacts["weights"]))
        self._spec = self._network.spec
        self._is_events = isinstance(self._spec.encoding, Frames)
        self._counts(
            np.zeros((1, *self._spec.sample_shape), dtype=np.float32)
        )  # compiles the loops, so that no request waits
        torch.set_num_threads(1)  # requests run side by side

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        """Spike counts, float32 [B, classes], for images in 0..1, float32 [B, C, H, W], or for frames of events, counts
        as float32 [B, T, C, H, W]. Raises MlflowException, which a scoring server answers with 400: another shape, or
        values that are not finite or out of range."""
        values = np.asarray(model_input)
        if problem := self._problem(values):
            raise MlflowException.invalid_parameter_value(problem)
        return self._counts(values.astype(np.float32, copy=False))

    def _counts(self, values: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._network(torch.from_numpy(np.ascontiguousarray(values))).numpy()

    def _problem(self, values: np.ndarray) -> str | None:
        """What is wrong with an input, found and expected; None where nothing is."""
        kind = "frames" if self._is_events else "images"
        if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
            return f"{kind}: expected numbers; found {values.dtype}"
        if values.ndim < 2 or not len(values) or not self._spec.takes(values.shape[1:]):
            expected = ", ".join(map(str, ("B", *self._spec.sample_shape)))
            return f"{kind}: expected [{expected}] with at least one sample; found {list(values.shape)}"
        if not np.isfinite(values).all():
            return f"{kind}: {int((~np.isfinite(values)).sum())} values are NaN or infinite; expected finite ones"
        low, high = values.min(), values.max()
        if low < 0 or (high > 1 and not self._is_events):
            allowed = "counts of events, 0 or more" if self._is_events else "0 to 1 (pixels divided by their scale)"
            return f"{kind}: values from {low:g} to {high:g}; expected {allowed}"
        return None


mlflow.models.set_model(SpikeCounts())
