"""What a promotion is asked for: on the command line, in a deployment of prefect.yaml, in a request kept for later."""

import re
from typing import Annotated, Any

import pydantic

from snnprune.core.schema import Block, Fraction, ParamsError, validate

MAX_LOSS = 0.005  # of validation accuracy, against the dense nets, where no constraint is given
ALIAS = "champion"
ENERGY = re.compile(r"(?P<value>\d+\.?\d*(?:e[+-]?\d+)?)\s*(?P<unit>%|pJ|nJ|uJ)?", re.IGNORECASE)
PICOJOULES = {"pj": 1.0, "nj": 1e3, "uj": 1e6}
EXPECTED = "a share of the dense nets' energy, 0 to 1 or such as 10%, or an energy such as 2500pJ, 2.5nJ, 0.1uJ"
MODEL = r"[A-Za-z0-9][A-Za-z0-9._-]*"


class Energy(Block):
    """A limit to the energy of a sample: in picojoules, or as a share of the dense nets'."""

    pj: float | None = None
    share: float | None = None

    def limit_pj(self, dense_pj: float) -> float:
        """In picojoules, where the dense nets need `dense_pj`."""
        return self.pj if self.pj is not None else self.share * dense_pj


def read_energy(value: str | float) -> Energy:
    """`10%`, `0.1` (a share), `2.5nJ`. Raises ValueError: it is none of these, or a share above 1."""
    found = ENERGY.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f"expected {EXPECTED}")
    number, unit = float(found["value"]), (found["unit"] or "").lower()
    if unit in PICOJOULES:
        return Energy(pj=number * PICOJOULES[unit])
    share = number / 100 if unit == "%" else number
    if share > 1:
        raise ValueError(f"expected {EXPECTED}")
    return Energy(share=share)


def _check_energy(value: str | float | None) -> str | float | None:
    if value is not None:
        read_energy(value)
    return value


class PromotionParams(Block):
    """Which net becomes a candidate, and when it becomes champion.

    level: only this sparsity. max_energy: of a sample, by the hardware `profile`, a constant input counted once.
    max_loss: of mean validation accuracy against the dense nets. Several hold together; without any, max_loss is 0.005.
    model: its name in the registry (None: that of the experiment). delta: the loss of validation accuracy against the
    champion that must be excluded. force: move the alias whatever the comparison says.
    """

    level: Annotated[float, pydantic.Field(gt=0, lt=1)] | None = None
    max_energy: Annotated[str | float | None, pydantic.AfterValidator(_check_energy)] = None
    max_loss: Fraction | None = None
    profile: str = "horowitz_45nm_fp32"
    model: Annotated[str, pydantic.Field(pattern=f"^{MODEL}$")] | None = None
    delta: Fraction = 0.005
    force: bool = False

    @property
    def allowed_loss(self) -> float | None:
        """`max_loss`, or the usual one where there is no constraint at all."""
        is_free = self.level is None and self.max_energy is None and self.max_loss is None
        return MAX_LOSS if is_free else self.max_loss


def read_options(text: str) -> PromotionParams:
    """`max-loss=0.005,model=edge`, as an option of `snnprune run` has it. Raises ParamsError: it does not read so, or a
    key or value is not allowed."""
    options: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not key or not value:
            keys = ", ".join(name.replace("_", "-") for name in PromotionParams.model_fields)
            raise ParamsError(f"promote: expected key=value, several with commas; keys are {keys}; found {part!r}")
        options[key.replace("-", "_")] = _value(key, value)
    return validate(PromotionParams, options, "promote")


def _value(key: str, text: str) -> str | float | bool:
    if key in ("model", "profile", "max-energy", "max_energy"):
        return text
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text
