"""What dvc.yaml's `meta: {flow: {...}}` says about running a stage; DVC itself takes no notice of it."""

from typing import Annotated, Any

import pydantic

KEY = "flow"


class HintError(ValueError):
    """A stage's hints hold something that is not allowed."""


class Hints(pydantic.BaseModel):
    """How a stage is run.

    timeout: seconds after which its processes are killed. retries: how often it is tried again after something
    transient, such as a killed process; an exit with an error is never. concurrency: a tag; of the stages that
    share it, `at_once` run at a time (the smallest number that one of them says).
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)

    timeout: Annotated[float, pydantic.Field(gt=0)] | None = None
    retries: Annotated[int, pydantic.Field(ge=0)] = 2
    concurrency: Annotated[str, pydantic.Field(min_length=1)] | None = None
    at_once: Annotated[int, pydantic.Field(ge=1)] = 1


def hints_of(address: str, meta: Any) -> Hints:
    """The hints in a stage's `meta`.

    Raises:
        HintError: an unknown key or an impossible value; the message says where, what was found and what is allowed.
    """
    found = meta.get(KEY, {}) if isinstance(meta, dict) else {}
    try:
        return Hints.model_validate(found)
    except pydantic.ValidationError as error:
        lines = [_describe(address, problem) for problem in error.errors()]
        raise HintError("\n".join(lines)) from error


def _describe(address: str, problem: Any) -> str:
    where = ".".join(["meta", KEY, *(str(part) for part in problem["loc"])])
    if problem["type"] == "extra_forbidden":
        return f"{address}: {where}: unknown key; allowed here: {', '.join(Hints.model_fields)}"
    return f"{address}: {where}: {problem['msg']}; found {problem['input']!r}"
