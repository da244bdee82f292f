"""params.yaml: every kind of mistake is an error that names the full key, what was found and what is allowed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pydantic
import pytest
from ruamel.yaml import YAML

from pipeline.io.params import load_block, load_matrix, load_methods, load_runtime, matrix_of, read_params
from snnprune.core.schema import Block, ParamsError, validate


class Square(Block):
    name: Literal["square"]
    side: float = pydantic.Field(default=1.0, gt=0)


class Circle(Block):
    name: Literal["circle", "disc"]
    radius: float


class Inner(Block):
    share: float = pydantic.Field(default=0.5, ge=0, le=1)


class Toy(Block):
    """One of everything that the project's schemas use."""

    count: int = pydantic.Field(ge=1)
    mode: Literal["on", "off"] = "on"
    sizes: list[int] = [1]
    inner: Inner = Inner()
    maybe: Inner | None = None
    many: list[Inner] = []
    shape: Square | Circle = pydantic.Field(default=Square(name="square"), discriminator="name")

    @pydantic.field_validator("sizes")
    @classmethod
    def _odd(cls, sizes: list[int]) -> list[int]:
        if any(size % 2 == 0 for size in sizes):
            raise ValueError("sizes must be odd, e.g. [1, 3]")
        return sizes


BLOCKS = {
    "data": {},
    "model": {},
    "train": {"count": 3},
    "prune": {},
    "methods": {"magnitude": {}, "cqp": {"count": 2}},
    "layers": {},
}
GOOD = {
    "matrix": {"one": {"methods": ["cqp"], "seeds": [0, 1]}},
    "runtime": {"threads": 2, "device": "cpu"},
    "experiments": {"one": BLOCKS},
}
Write = Callable[[Any], Path]
ONE = {"count": 1}
NAMES = "allowed in an experiment's name are letters, digits, - and _"
NO_METHODS = "experiments.one.methods: expected a mapping of method names to their parameters, such as magnitude: {}"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: Any) -> Path:
        path = tmp_path / "params.yaml"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            YAML(typ="safe").dump(content, path)
        return path

    return write_file


def named(name: Any, blocks: Any = BLOCKS) -> dict[str, Any]:
    """GOOD with one experiment of that name."""
    return GOOD | {"experiments": {name: blocks}}


def message(call: Callable[[], object]) -> str:
    with pytest.raises(ParamsError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"count": 1, "cuont": 2}, "x.cuont: unknown key; allowed here: count, mode, sizes, inner, maybe, many, shape"),
        ({"count": 1, "inner": {"shere": 1}}, "x.inner.shere: unknown key; allowed here: share"),
        ({"count": 1, "many": [{}, {"shere": 1}]}, "x.many[1].shere: unknown key; allowed here: share"),
        (ONE | {"shape": {"name": "square", "radius": 1.0}}, "x.shape.radius: unknown key; allowed here: name, side"),
        ({"mode": "on"}, "x.count: missing; it has no default"),
        ({"count": 0}, "x.count: Input should be greater than or equal to 1; found 0"),
        ({"count": 1.0}, "x.count: Input should be a valid integer; found 1.0"),
        ({"count": "3"}, "x.count: Input should be a valid integer; found '3'"),
        ({"count": True}, "x.count: Input should be a valid integer; found True"),
        ({"count": None}, "x.count: Input should be a valid integer; found None"),
        ({"count": 1, "mode": "auto"}, "x.mode: Input should be 'on' or 'off'; found 'auto'"),
        (ONE | {"inner": {"share": float("nan")}}, "x.inner.share: Input should be a finite number; found nan"),
        ({"count": 1, "many": [{"share": 2}]}, "x.many[0].share: Input should be less than or equal to 1; found 2"),
        ({"count": 1, "sizes": [1, 2.5]}, "x.sizes[1]: Input should be a valid integer; found 2.5"),
        ({"count": 1, "sizes": [1, 2]}, "x.sizes: sizes must be odd, e.g. [1, 3]; found [1, 2]"),
        ({"count": 1, "maybe": 3}, "x.maybe: expected a mapping with the keys share; found 3"),
        ({"count": 1, "many": [3]}, "x.many[0]: expected a mapping with the keys share; found 3"),
        ({"count": 1, "inner": None}, "x.inner: expected a mapping with the keys share; found None"),
        ({"count": 1, "shape": "square"}, "x.shape: expected a mapping with the keys name; found 'square'"),
        ({"count": 1, "shape": {"name": "squere"}}, "x.shape.name: allowed are: square, circle, disc; found 'squere'"),
        ({"count": 1, "shape": {"side": 2.0}}, "x.shape.name: allowed are: square, circle, disc; found None"),
        (None, "x: expected a mapping with the keys count, mode, sizes, inner, maybe, many, shape; found None"),
    ],
)
def test_what_a_schema_refuses(value: Any, expected: str) -> None:
    assert message(lambda: validate(Toy, value, "x")) == expected


def test_a_good_value_is_taken_whole_with_its_defaults() -> None:
    toy = validate(Toy, {"count": 2, "inner": {"share": 1}, "shape": {"name": "disc", "radius": 2}}, "x")
    assert (toy.count, toy.mode, toy.inner.share, toy.shape) == (2, "on", 1.0, Circle(name="disc", radius=2.0))
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        toy.count = 3


def test_blocks_are_read_one_at_a_time(write: Write) -> None:
    path = write(GOOD)
    assert load_block("one", "train", Toy, path).count == 3
    assert load_block("one", "methods.cqp", Toy, path).count == 2
    assert load_methods("one", path) == {"magnitude": {}, "cqp": {"count": 2}}
    assert (load_runtime(path).threads, load_runtime(path).device) == (2, "cpu")
    assert (load_matrix("one", path).methods, load_matrix("one", path).seeds) == (["cqp"], [0, 1])


def test_runtime_has_defaults(write: Write) -> None:
    path = write({key: value for key, value in GOOD.items() if key != "runtime"})
    assert (load_runtime(path).threads, load_runtime(path).device) == (1, "auto")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"matrix: [1\n", "not valid YAML: while parsing"),
        (b"matrix: 1\nmatrix: 2\n", 'not valid YAML: .*found duplicate key "matrix"'),
        (b"matrix: \xff\n", "not valid YAML: "),
        (b"", "expected a mapping with the keys matrix, runtime, experiments; found None"),
        (b"- 1\n", r"expected a mapping with the keys matrix, runtime, experiments; found \[1\]"),
    ],
)
def test_a_file_that_is_no_mapping(write: Write, content: bytes, expected: str) -> None:
    path = write(content)
    with pytest.raises(ParamsError, match=f"(?s)^{path}: {expected}"):
        read_params(path)


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    assert message(lambda: read_params(path)) == f"{path}: no such file; run from the project's root folder"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GOOD | {"exprmts": 1}, "exprmts: unknown key; allowed here: matrix, runtime, experiments"),
        (GOOD | {"experiments": {}}, "experiments: expected a mapping of experiment names to blocks; found {}"),
        ({"matrix": {}}, "experiments: expected a mapping of experiment names to blocks; found None"),
        (GOOD | {"experiments": ["a"]}, "experiments: expected a mapping of experiment names to blocks; found ['a']"),
        (named("one", None), "experiments.one: expected a mapping of blocks such as data, model and train; found None"),
        (named("../one"), f"experiments.../one: {NAMES}; found '../one'"),
        (named(2024), f"experiments.2024: {NAMES}; found 2024"),
        (named("x" * 101), f"experiments.{'x' * 101}: an experiment's name may have 100 letters; found 101"),
    ],
)
def test_a_wrong_outline(write: Write, content: Any, expected: str) -> None:
    path = write(content)
    assert message(lambda: read_params(path)) == expected
    assert message(lambda: load_block("one", "train", Toy, path)) == expected


def test_a_wrong_outline_is_reported_whole(write: Write) -> None:
    path = write({"martix": {}, "experiments": {"..": {}, "two": None}})
    keys = [line.split(":")[0] for line in message(lambda: read_params(path)).splitlines()]
    assert sorted(keys) == ["experiments...", "experiments.two", "martix"]


@pytest.mark.parametrize(
    ("experiment", "block", "expected"),
    [
        ("three", "train", "experiments.three: no such experiment; defined are: one, two"),
        ("three", "methods.cqp", "experiments.three: no such experiment; defined are: one, two"),
        ("two", "model", "experiments.two.model: missing; there are: train"),
        ("two", "methods.cqp", "experiments.two.methods: missing; there are: train"),
        ("two", "train", "experiments.two.train.count: Input should be greater than or equal to 1; found 0"),
    ],
)
def test_unknown_experiment_and_missing_block(write: Write, experiment: str, block: str, expected: str) -> None:
    path = write(GOOD | {"experiments": {"one": BLOCKS, "two": {"train": {"count": 0}}}})
    assert message(lambda: load_block(experiment, block, Toy, path)) == expected


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ({"magnitude": {}}, "experiments.one.methods.cqp: missing; there are: magnitude"),
        ({}, "experiments.one.methods.cqp: missing; there are: none"),
        (["cqp"], f"{NO_METHODS}; found ['cqp']"),
        (None, f"{NO_METHODS}; found None"),
        ({"cqp": {"alpha": 1}}, "experiments.one.methods.cqp.alpha: unknown key; allowed here: no keys"),
        ({"cqp": None}, "experiments.one.methods.cqp: expected a mapping with no keys: {}; found None"),
    ],
)
def test_methods_of_an_experiment(write: Write, methods: Any, expected: str) -> None:
    path = write(GOOD | {"experiments": {"one": {**BLOCKS, "methods": methods}}})
    assert message(lambda: load_block("one", "methods.cqp", Block, path)) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"seeds": [0, 1, 0]}, "matrix.one.seeds: entries must differ; found [0, 1, 0]"),
        ({"seeds": [0, -1]}, "matrix.one.seeds[1]: Input should be greater than or equal to 0; found -1"),
        ({"methods": "cqp"}, "matrix.one.methods: Input should be a valid list; found 'cqp'"),
        ({"methods": []}, "matrix.one.methods: List should have at least 1 item after validation, not 0; found []"),
        ({"seed": [0]}, "matrix.one.seed: unknown key; allowed here: methods, seeds"),
        (None, "matrix.one: expected a mapping with the keys methods, seeds; found None"),
    ],
)
def test_a_wrong_entry_of_the_matrix(write: Write, entry: dict[str, Any] | None, expected: str) -> None:
    path = write(GOOD | {"matrix": {"one": entry and GOOD["matrix"]["one"] | entry}})
    assert message(lambda: load_matrix("one", path)) == expected
    assert message(lambda: matrix_of(read_params(path))) == expected


@pytest.mark.parametrize("matrix", [None, {}, ["one"]])
def test_a_matrix_that_lists_nothing(write: Write, matrix: Any) -> None:
    path = write(GOOD | {"matrix": matrix})
    expected = (
        "matrix: expected a mapping of experiment names to methods and seeds, such as "
        f"digits: {{methods: [cqp], seeds: [0]}}; found {matrix!r}"
    )
    assert message(lambda: load_matrix("one", path)) == expected
    assert message(lambda: matrix_of(read_params(path))) == expected


def test_an_experiment_that_the_matrix_does_not_list(write: Write) -> None:
    assert message(lambda: load_matrix("two", write(GOOD))) == "matrix.two: missing; there are: one"


def test_every_entry_of_the_matrix_must_fit_its_experiment(write: Write) -> None:
    entry = {"methods": ["cqp", "cpq"], "seeds": [-1]}
    matrix = {"one": entry | {"seeds": [0]}, "two": entry, "three": entry, "four": entry | {"seeds": [0]}}
    experiments = {"one": BLOCKS, "two": BLOCKS, "four": {"methods": {}}, "five": BLOCKS}
    path = write(GOOD | {"matrix": matrix, "experiments": experiments})
    assert message(lambda: matrix_of(read_params(path))).splitlines() == [
        "matrix.four.methods: 'cqp' is none of those in experiments.four.methods: none",
        "matrix.four.methods: 'cpq' is none of those in experiments.four.methods: none",
        "matrix.one.methods: 'cpq' is none of those in experiments.one.methods: cqp, magnitude",
        "matrix.three: no such experiment; defined are: five, four, one, two",
        "matrix.two.seeds[0]: Input should be greater than or equal to 0; found -1",
    ]


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ({"threads": 0}, "runtime.threads: Input should be greater than or equal to 1; found 0"),
        ({"thread": 1}, "runtime.thread: unknown key; allowed here: threads, device"),
        (None, "runtime: expected a mapping with the keys threads, device; found None"),
    ],
)
def test_a_wrong_runtime(write: Write, runtime: Any, expected: str) -> None:
    path = write(GOOD | {"runtime": runtime})
    assert message(lambda: load_runtime(path)) == expected
