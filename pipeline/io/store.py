"""The stored form of a split dataset: written by the data stage, read by every stage that trains or measures."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import torch
from numpy.typing import NDArray

from pipeline.io import files
from snnprune.core.dataset import SPLITS, Dataset, Split
from snnprune.core.errors import DataError

FILE = "dataset.safetensors"
SUMMARY_FILE = "dataset.json"
DTYPES = (np.dtype(np.uint8), np.dtype(np.float32))
FRAMES = "TCHW"  # the dimensions of a sample of events

# One metadata key with everything in it: safetensors does not promise an order of several.
METADATA_KEY = "dataset"

Arrays = tuple[NDArray[np.uint8] | NDArray[np.float32], NDArray[np.int64]]


def save_dataset(
    folder: Path,
    name: str,
    classes: int,
    scale: int,
    splits: Mapping[str, Arrays],
    names: Sequence[str] | None = None,
    step_ms: float | None = None,
    about: str | None = None,
) -> dict[str, Any]:
    """Write `dataset.safetensors` and `dataset.json`, byte-identical for equal content; returns what the latter holds.
    That is name, digest, shape [C, H, W] or [T, C, H, W], classes, their names, for events the milliseconds of a frame,
    and count and count per class of each split. splits: for each of train, validation and test: images [N, H, W] or
    [N, C, H, W] (uint8, or float32 with scale 1), or frames of events [N, T, C, H, W] (uint8, scale 1), and labels [N]
    (int64, 0..classes-1). scale: the stored value that becomes 1.0. names: of the classes, by label (None: their
    numbers). about: what it is, for people, in dataset.json alone. Raises DataError: another set of splits, an empty
    split, another number of names, or shapes, types or values other than described above."""
    if set(splits) != set(SPLITS):
        raise DataError(f"{name}: splits {', '.join(splits)}; expected {', '.join(SPLITS)}")
    numbers = [str(label) for label in range(classes)]
    names = numbers if names is None else list(names)
    if len(set(names)) != classes:
        raise DataError(f"{name}: names of classes {', '.join(names)}; expected {classes} that differ")
    arrays = {
        split: (images[:, None] if images.ndim == 3 else images, labels)
        for split, (images, labels) in ((split, splits[split]) for split in SPLITS)
    }
    shape = arrays["train"][0].shape[1:]
    for split, (images, labels) in arrays.items():
        if problem := _problem(images, labels, shape, classes, scale):
            raise DataError(f"{name}, {split} split: {problem}")
    digest = content_digest(arrays, scale)
    tensors = {f"{split}.images": images for split, (images, _) in arrays.items()}
    tensors |= {f"{split}.labels": labels for split, (_, labels) in arrays.items()}
    is_events = len(shape) == len(FRAMES)
    stored = {"name": name, "classes": classes, "scale": scale, "digest": digest}
    stored |= {"names": names} if names != numbers else {}
    stored |= {"step_ms": step_ms} if is_events else {}
    metadata = {METADATA_KEY: json.dumps(stored)}
    files.replace(folder / FILE, lambda partial: safetensors.numpy.save_file(tensors, partial, metadata))
    counts = {
        split: {"count": len(labels), "per_class": np.bincount(labels, minlength=classes).tolist()}
        for split, (_, labels) in arrays.items()
    }
    summary = {"name": name, "digest": digest, "shape": list(shape), "classes": classes, "names": names}
    summary |= {"step_ms": step_ms} if is_events else {}
    summary |= {"about": about} if about else {}
    summary["splits"] = counts
    files.write_json(folder / SUMMARY_FILE, summary)
    return summary


def load_dataset(folder: Path) -> Dataset:
    """Read `dataset.safetensors` of `folder` into memory: images scaled to float32, frames of events as they are stored
    (uint8). Raises DataError: the file is missing, damaged, or not written by `save_dataset`."""
    path = folder / FILE
    if not path.is_file():
        raise DataError(f"{path}: no such file; make it with the data stage (dvc repro) or fetch it (dvc pull)")
    try:
        with safetensors.safe_open(path, framework="pt") as stored:
            about = json.loads(stored.metadata()[METADATA_KEY])
            splits = {
                split: Split(
                    images=_scaled(stored.get_tensor(f"{split}.images"), about["scale"]),
                    labels=stored.get_tensor(f"{split}.labels"),
                )
                for split in SPLITS
            }
    except (safetensors.SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: damaged or not a stored dataset ({error}); make it anew with the data stage"
        ) from error
    names = tuple(about.get("names") or map(str, range(about["classes"])))
    kept = {key: about[key] for key in ("name", "classes", "digest")}
    return Dataset(**kept, **splits, names=names, step_ms=about.get("step_ms"))


def _scaled(images: torch.Tensor, scale: int) -> torch.Tensor:
    return images if images.dim() == 1 + len(FRAMES) else images.to(torch.float32) / scale


def content_digest(splits: Mapping[str, Arrays], scale: int) -> str:
    """SHA-256 over the scale and, per split, each array's name, type, shape and little-endian bytes, row-major."""
    digest = hashlib.sha256(f"scale {scale}\n".encode())
    for split in SPLITS:
        for kind, array in zip(("images", "labels"), splits[split], strict=True):
            little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{split}.{kind} {array.dtype.name} {array.shape}\n".encode())
            digest.update(little_endian.data)
    return digest.hexdigest()


def _problem(
    images: NDArray[Any], labels: NDArray[Any], shape: tuple[int, ...], classes: int, scale: int
) -> str | None:
    """What is wrong with a split, found and expected; None where nothing is."""
    is_events = images.ndim == 1 + len(FRAMES)
    if images.dtype not in DTYPES[: 1 if is_events else 2] or images.ndim not in (4, 5) or images.shape[1:] != shape:
        allowed = "uint8 or float32 [N, H, W] or [N, C, H, W], or uint8 [N, T, C, H, W]"
        expected = f"{allowed}, and {list(shape)} per sample as in the train split"
        return f"images {images.dtype} {list(images.shape)}; expected {expected}"
    if labels.dtype != np.int64 or labels.shape != images.shape[:1] or not len(labels):
        expected = f"int64, one for each of {len(images)} images, at least one"
        return f"labels {labels.dtype} {list(labels.shape)}; expected {expected}"
    if labels.min() < 0 or labels.max() >= classes:
        return f"labels {labels.min()} to {labels.max()}; expected 0 to {classes - 1}"
    if images.dtype == np.float32 and (scale != 1 or not np.isfinite(images).all()):
        return f"float images need scale 1 (found {scale}) and finite values"
    if is_events and scale != 1:
        return f"frames of events are counts, of scale 1; found scale {scale}"
    if images.dtype == np.uint8 and not is_events and images.max() > scale:
        return f"pixels up to {images.max()}; expected at most {scale}, the scale"
    return None
