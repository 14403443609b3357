"""Parameters of a chapter: frozen dataclasses that pydantic checks, with errors of one sentence."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

import earlyglow as eg
from earlyglow.checks import unknown
from earlyglow.datasets.sources import is_source, parse_source, unknown_dataset

Kind = TypeVar("Kind", bound=type)


class ParameterError(ValueError):
    """A notebook or parameter that does not exist, or a value that it does not take."""


def _plain(value: object) -> object:
    """A number of NumPy's as Python's, so that it is hashed as one."""
    item = getattr(value, "item", None)
    return item() if callable(item) and not isinstance(value, bool | str) else value


def _as_tuple(value: object) -> object:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def known_dataset(name: str) -> str:
    """The name of a data set; ValueError where there is none."""
    if name not in eg.DATASETS:
        raise ValueError(unknown_dataset(name, eg.DATASETS))
    if is_source(name):
        try:
            parse_source(name)
        except eg.DatasetError as error:
            raise ValueError(str(error)) from None
    return name


# 1 and 1.0 are two values of a parameter: they have two hashes.
Whole = Annotated[int, BeforeValidator(_plain)]
Number = Annotated[int | float, BeforeValidator(_plain)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
Numbers = Annotated[tuple[int | float, ...], BeforeValidator(_as_tuple)]
DatasetName = Annotated[str, AfterValidator(known_dataset)]
# Parameters that several chapters have, with their meanings; each chapter has its own defaults.
IdDataset = Annotated[DatasetName, Field(description="The ID set, which needs training images.")]
_OODS = "The OOD sets; empty for those that the ID set is usually compared with."
OodDatasets = Annotated[Names, Field(description=_OODS)]
_EPOCHS = "Epochs to score, increasing; 0 is untrained, empty for the profile's."
Epochs = Annotated[Numbers, Field(description=_EPOCHS)]
Seed = Annotated[Whole, Field(ge=0, le=2**32 - 1, description="Of weights, batches and noise.")]

_KINDS: dict[Any, str] = {
    str: "str",
    int: "int",
    int | float: "float",
    tuple[str, ...]: "list[str]",
    tuple[int | float, ...]: "list[float]",
}
# What pydantic calls each bound, and the errors of values beyond one.
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_BEYOND = ("greater_than_equal", "greater_than", "less_than_equal", "less_than")


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def parameters(kind: Kind) -> Kind:
    """Make a class a frozen dataclass that is checked when built: ParameterError with one sentence.

    A ValueError of the class's own ``__post_init__`` gives its sentence to the ParameterError.
    """
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=True)
    made = pydantic_dataclass(frozen=True, config=config)(kind)
    build: Any = made.__init__

    @functools.wraps(build)
    def checked(self: Any, *args: Any, **values: Any) -> None:
        try:
            build(self, *args, **values)
        except ValidationError as error:
            given = dict(zip(declared(made), args, strict=False)) | values
            raise ParameterError(_sentence(made, given, error)) from None

    # What mypy sees is the dataclass that the decorator promises.
    made.__init__ = checked  # type: ignore[method-assign]
    return made  # type: ignore[return-value]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a chapter.

    Attributes:
        name: as a notebook and the command line take it.
        type: "str", "int", "float", "list[str]" or "list[float]".
        default: a list where the type is one.
        allowed: which values there are, in words; empty where the meaning says it.
        meaning: one or two sentences.
    """

    name: str
    type: str
    default: Any
    allowed: str
    meaning: str


def declared(kind: type) -> dict[str, Parameter]:
    """The parameters of a chapter's class by name, in order."""
    fields = kind.__pydantic_fields__  # type: ignore[attr-defined]
    return {name: _declared_as(name, field) for name, field in fields.items()}


def _declared_as(name: str, field: Any) -> Parameter:
    """What pydantic knows of a field, in words; what has a few values is a literal of one type."""
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    if get_origin(field.annotation) is Literal:
        values = get_args(field.annotation)
        type_name, allowed = type(values[0]).__name__, ", ".join(map(str, values))
    else:
        type_name, allowed = _KINDS[field.annotation], " and ".join(_bounds(field.metadata))
    return Parameter(name, type_name, default, allowed, field.description or "")


def _bounds(metadata: list[Any]) -> list[str]:
    return [
        f"{words} {getattr(mark, bound):,}"
        for mark in metadata
        for bound, words in _BOUNDS.items()
        if hasattr(mark, bound)
    ]


def from_texts(kind: type, given: Mapping[str, object]) -> dict[str, Any]:
    """Values by parameter name, texts among them converted to the declared types.

    Args:
        kind: the chapter's class.
        given: texts as typed on a command line or in a file, or values of the right type.

    Raises:
        ParameterError: there is no such parameter.
    """
    known = declared(kind)
    for name in given:
        if name not in known:
            raise ParameterError(unknown("parameter", name, known))
    return {name: _converted(known[name].type, value) for name, value in given.items()}


def _converted(type_name: str, value: object) -> object:
    """A text as a value of the type where it is one; else as it is, to be refused by name."""
    if type_name.startswith("list["):
        if isinstance(value, str):
            inside = value.strip().removeprefix("[").removesuffix("]")
            value = [item.strip().strip("'\"") for item in inside.split(",")] if inside else []
        if not isinstance(value, list | tuple):
            return value
        return [_number(item) if type_name == "list[float]" else item for item in value]
    if not isinstance(value, str) or type_name == "str":
        return value
    number = _number(value)
    return float(number) if type_name == "float" and isinstance(number, int) else number


def _number(value: object) -> object:
    """A text as int (decimal digits alone) or float (without underscores); else as it is."""
    if not isinstance(value, str) or "_" in value:
        return value
    if re.fullmatch(r"[+-]?\d+", value.strip()):
        return int(value)
    try:
        return float(value)
    except ValueError:
        return value


def _sentence(kind: type, given: Mapping[str, object], error: ValidationError) -> str:
    """The first thing that is wrong, as one sentence."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    known, place = declared(kind), first["loc"][0]
    name = list(known)[place] if isinstance(place, int) and place < len(known) else str(place)
    if first["type"] in ("unexpected_keyword_argument", "unexpected_positional_argument"):
        return unknown("parameter", name, known)
    if first["type"] == "too_short":
        return f"{name} is empty, but at least one is needed."
    parameter, refused = known[name], f"{name} is {given[name]!r}, but it must be"
    if first["type"] in _BEYOND:
        return f"{refused} {parameter.allowed}."
    if first["type"] == "literal_error":
        close = difflib.get_close_matches(str(given[name]), parameter.allowed.split(", "), n=1)
        suggestion = f" Did you mean {close[0]!r}?" if close else ""
        return f"{refused} one of {parameter.allowed}.{suggestion}"
    return f"{refused} of type {parameter.type} ({parameter.meaning.rstrip('.')})."
