"""A dense or pruned network as an MLflow model: `predict(images)`, or that of frames, gives spike counts per class.

MLflow copies this file and what it imports of `snnprune` beside the weights ("models from code"), so a logged model
loads without the project's folder, given the packages in its requirements.
"""

from typing import Any

import mlflow.pyfunc
import numpy as np


class SpikeCounts(mlflow.pyfunc.PythonModel):
    """Loads the weights file (artifact `weights`) when the model is loaded."""

    def load_context(self, context: Any) -> None:  # MLflow looks at the name `context`
        """Rebuild the network and compile it. torch is imported here: logging a model does not need it."""
        import torch

        from snnprune.core.checkpoint import load_network
        from snnprune.sparse.runtime import compile

        self._compiled = compile(load_network(context.artifacts["weights"]))
        self._compiled(torch.zeros(1, *self._compiled.spec.sample_shape))  # so that no request waits

    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        """Spike counts, float32 [B, classes], for images in 0..1, float32 [B, C, H, W], or for frames of events, counts
        as float32 [B, T, C, H, W]."""
        import torch

        return self._compiled(torch.as_tensor(model_input, dtype=torch.float32)).numpy()


mlflow.models.set_model(SpikeCounts())
