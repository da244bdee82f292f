"""The card beside an export: what the net is, how it is fed and read, what it costs, as JSON and as Markdown with the
front matter of Hugging Face's model cards."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from snnprune.energy.measure import Measurement
from snnprune.export.metadata import described
from snnprune.export.parity import Differences

UNKNOWN = "unknown"  # as Hugging Face names it
OPERATIONS = {
    "effective_macs": "multiply-accumulates of the input",
    "effective_acs": "accumulates of spikes",
    "neuron_updates": "neuron updates",
}
MARKDOWN, JSON = "README.md", "card.json"


@dataclass(frozen=True)
class Accuracy:
    """On the test split, 0..1; over how many seeds, and the 95 % interval of their mean (None: of one)."""

    net: float
    seeds: int = 1
    mean: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        own = f"{100 * self.net:.2f} %"
        if self.mean is None or self.low is None or self.high is None:
            return own
        half = 100 * (self.high - self.low) / 2
        return f"{own}; {100 * self.mean:.2f} ± {half:.2f} % over {self.seeds} seeds (95 % interval)"


def operations_of(measured: Measurement) -> dict[str, float]:
    """Those of a sample, a constant input computed once."""
    total = measured.total
    return dict(zip(OPERATIONS, (total.macs_once, total.acs, total.neuron_updates), strict=True))


READOUTS = {
    "count": "the class of most output spikes, the first of several",
    "mean-membrane": "the class of the highest mean membrane potential over the steps, the first of several",
    "last-membrane": "the class of the highest membrane potential at the last step, the first of several",
}
SUMMED = "the class of the highest sum of what the network's forward returns (spikes, mostly), the first of several"


@dataclass(frozen=True)
class Card:
    """net: its name. source: its file, seen from the card's folder. network: `snnprune.export.metadata.metadata`.
    sizes: file -> bytes. about: the export's own. accuracy: of the network before the export. data, digest: the
    dataset's name and SHA-256; operations: of a test sample, means (`OPERATIONS`; those of a constant input once).
    What is not known is None. license: of the net, whose owner says it."""

    net: str
    target: str
    command: str
    license: str
    network: Mapping[str, Any]
    synapses: int
    nnz: int
    sizes: Mapping[str, int]
    about: Mapping[str, Any]
    source: str | None = None
    data: str | None = None
    digest: str | None = None
    accuracy: Accuracy | None = None
    operations: Mapping[str, float] | None = None
    differences: Differences | None = None

    @property
    def sparsity(self) -> float:
        """Zero synapses / prunable synapses."""
        return 1 - self.nnz / self.synapses

    @property
    def net_bytes(self) -> int | None:
        """Of the arrays that are the net, in flash or in a file; None where the target does not say."""
        return next((size for key, size in self.about.items() if key in ("flash_bytes", "array_bytes")), None)

    def files(self) -> dict[str, bytes]:
        """The two files."""
        return {MARKDOWN: self.markdown().encode(), JSON: (json.dumps(self.plain(), indent=2) + "\n").encode()}

    def plain(self) -> dict[str, Any]:
        """As values for JSON."""
        return {**asdict(self), "sparsity": self.sparsity}

    def markdown(self) -> str:
        """The card for people."""
        notes = [f"- {note}" for note in self.about.get("notes", ())]
        lines = [
            "---",
            *self._front_matter(),
            "---",
            "",
            f"# {self.net}, as {self.target}",
            "",
            *_table(self._what()),
            "",
            *_table(self._costs()),
            *(["", *notes] if notes else []),
            "",
            "Made by:",
            "",
            f"    {self.command}",
            "",
        ]
        return "\n".join(lines)

    def _front_matter(self) -> list[str]:
        """YAML; JSON's strings are YAML's."""
        lines = [f"license: {json.dumps(self.license)}", "library_name: snnprune"]
        lines += ["tags: [spiking-neural-network, pruning]"]
        if self.data is None or self.accuracy is None:
            return lines
        name, differing = json.dumps(self.data), self.differences
        accuracy = self.accuracy.net if differing is None else differing.accuracy
        return [
            *lines,
            f"datasets: [{name}]",
            "metrics: [accuracy]",
            "model-index:",
            f"- name: {json.dumps(self.net)}",
            "  results:",
            "  - task: {type: classification}",
            f"    dataset: {{name: {name}, type: {name}, split: test}}",
            f"    metrics: [{{type: accuracy, value: {accuracy!r}}}]",
        ]

    def _what(self) -> dict[str, str]:
        network, is_own = self.network, "model" not in self.network
        encoding = ", ".join(f"{key} {value}" for key, value in network["encoding"].items() if key != "name")
        license = "not stated (`--license` says it)" if self.license == UNKNOWN else self.license
        return {
            "data": "not known" if self.data is None else f"{self.data}, SHA-256 {self.digest}",
            "test accuracy of the network": "not known" if self.accuracy is None else str(self.accuracy),
            **described(network),
            "time steps": str(network["timesteps"]),
            "encoding": network["encoding"]["name"] + (f" ({encoding})" if encoding else ""),
            "read-out": SUMMED if is_own and network["readout"] == "count" else READOUTS[network["readout"]],
            "classes": ", ".join(network["classes"]),
            "sparsity": f"{100 * self.sparsity:.2f} %: {self.nnz:,} of {self.synapses:,} synapses are left",
            "licence": license,
        }

    def _costs(self) -> dict[str, str]:
        rows = {"files": ", ".join(f"{name} {size:,} bytes" for name, size in self.sizes.items())}
        if self.operations is not None:
            rows["operations of a test sample"] = ", ".join(
                f"{value:,.0f} {OPERATIONS.get(key, key)}" for key, value in self.operations.items()
            )
        if self.differences is not None:
            rows["as exported"] = str(self.differences)
        figures = {key: value for key, value in self.about.items() if key != "notes"}
        return rows | {
            key.replace("_", " "): f"{value:,}" if isinstance(value, int) else str(value)
            for key, value in figures.items()
        }


def _table(rows: Mapping[str, str]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {key} | {text.replace('|', chr(92) + '|')} |" for key, text in rows.items())]
