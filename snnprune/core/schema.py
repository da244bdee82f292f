"""The base of every parameter schema, and validation whose errors name the key, what was found and what is allowed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args

import pydantic

from snnprune.core.errors import UserError

NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]*")  # an experiment's name is a folder and part of DVC's stage names

Schema = TypeVar("Schema", bound="Block")
Item = TypeVar("Item")


class ParamsError(UserError, ValueError):
    """A parameter is not allowed; the message names its key, what was found and what is allowed."""


class Block(pydantic.BaseModel):
    """Base of every params schema: immutable, strict types, unknown keys refused. Numbers and arrays of numpy and torch
    are taken as Python's own (`as_python`)."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def schema_of(cls, value: Any) -> "type[Block]":
        """The schema by which `value` is validated: this one; where several are possible, the value says which."""
        return cls

    @pydantic.model_validator(mode="before")
    @classmethod
    def _of_python(cls, value: Any) -> Any:
        return as_python(value)


def as_python(value: Any) -> Any:
    """Numbers and arrays of numpy and torch as Python's numbers and lists, also inside mappings and sequences, which
    become dicts and lists; all else as it is."""
    if isinstance(value, Mapping):
        return {key: as_python(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [as_python(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _rise(values: list[Any]) -> list[Any]:
    if values != sorted(set(values)):
        raise ValueError("values must rise strictly")
    return values


Count = Annotated[int, pydantic.Field(ge=1, le=1_000_000)]
Fraction = Annotated[float, pydantic.Field(ge=0, le=1)]
Rising = Annotated[list[Item], pydantic.Field(min_length=1), pydantic.AfterValidator(_rise)]


def validate(schema: type[Schema], value: Any, key: str) -> Schema:
    """`value` as a `schema` instance; every problem found is listed under its full key. Raises ParamsError: with one
    line per problem: the key, what was found and what is allowed."""
    schema = schema.schema_of(value)
    try:
        return schema.model_validate(value)
    except pydantic.ValidationError as error:
        lines = [_describe(schema, key, problem) for problem in error.errors()]
        raise ParamsError("\n".join(lines)) from error


def _describe(schema: type[Block], key: str, problem: Any) -> str:
    where, there = _locate(schema, key, problem["loc"])
    kind, found = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        _, parent = _locate(schema, key, problem["loc"][:-1])
        return f"{where}: unknown key; allowed here: {', '.join(parent.model_fields) or 'no keys'}"
    if kind == "missing":
        return f"{where}: missing; it has no default"
    if kind in ("model_type", "model_attributes_type"):
        keys = there.model_fields if _is_block(there) else ["name"]
        return f"{where}: {expected_mapping(keys, found)}"
    if kind.startswith("union_tag"):
        name = problem["ctx"]["discriminator"].strip("'")
        allowed = ", ".join(
            tag for choice in _blocks_of(there) for tag in get_args(choice.model_fields[name].annotation)
        )
        return f"{where}.{name}: allowed are: {allowed}; found {found.get(name)!r}"
    message = f"{where}: {problem['msg'].removeprefix('Value error, ')}"
    if kind == "value_error" and _is_block(there) and isinstance(found, Mapping | Block):
        return message  # it says itself which of the block's values do not fit each other
    return f"{message}; found {found!r}"


def _locate(schema: type[Block], key: str, location: tuple[str | int, ...]) -> tuple[str, Any]:
    """The full key of pydantic's `location` as params.yaml spells it, and the type expected there."""
    there: Any = schema
    for part in location:
        members = _blocks_of(there)
        if not _is_block(there) and members:  # pydantic adds the name of a union's member, which is no key of the file
            there = next(b for b in members if any(part in get_args(f.annotation) for f in b.model_fields.values()))
            continue
        if isinstance(part, int):
            key = f"{key}[{part}]"
        else:
            key = f"{key}.{part}"
            there = there.model_fields[part].annotation if _is_block(there) and part in there.model_fields else None
        if len(_blocks_of(there)) == 1:  # a list of blocks, or an optional one
            there = _blocks_of(there)[0]
    return key, there


def _is_block(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Block)


def _blocks_of(kind: Any) -> list[type[Block]]:
    """The schemas inside a union, an optional or a list."""
    return [member for member in get_args(kind) if _is_block(member)]


def expected_mapping(keys: Iterable[str], found: Any) -> str:
    names = ", ".join(keys)
    return f"expected a mapping with {f'the keys {names}' if names else 'no keys: {}'}; found {found!r}"
