"""What every model of a body is made of: closed, strict, and never filled in."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeVar

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from callmq_contracts.faults import NULL, Fault, copied, own_error, refusal, shifted
from callmq_contracts.finite import is_finite
from callmq_contracts.formats import CallId
from callmq_contracts.problem import MAX_ERRORS, FieldCode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotNull:
    """Marks a key that may be left out but may not be null."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema without its null, which is told what to do instead."""
        schema = handler(source)
        if schema["type"] != "nullable":
            raise TypeError("NotNull belongs on an optional type")
        return core_schema.no_info_before_validator_function(_not_null, schema["schema"])


def _not_null(value: Any) -> Any:
    if value is None:
        raise own_error(FieldCode.WRONG_TYPE, NULL)
    return value


def _list_in_parts(part: int) -> WrapValidator:
    """Judge a list ``part`` items at a time, and no further than the first hundred errors."""

    def judge(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, list) or len(value) <= part:
            return handler(value)
        lines: list[InitErrorDetails] = []
        judged: list[Any] = []
        for start in range(0, len(value), part):
            try:
                judged += handler(value[start : start + part])
            except ValidationError as error:
                lines += shifted(error, start)
                if len(lines) >= MAX_ERRORS:
                    break
        if lines:
            raise ValidationError.from_exception_data("list", lines[:MAX_ERRORS], hide_input=True)
        return judged

    return WrapValidator(judge)


def _map_in_parts(part: int) -> WrapValidator:
    """Judge a map ``part`` entries at a time, and no further than the first hundred errors."""

    def judge(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, dict) or len(value) <= part:
            return handler(value)
        lines: list[InitErrorDetails] = []
        judged: dict[str, Any] = {}
        names = list(value)
        for start in range(0, len(names), part):
            try:
                judged |= handler({name: value[name] for name in names[start : start + part]})
            except ValidationError as error:
                lines += copied(error)
                if len(lines) >= MAX_ERRORS:
                    break
        if lines:
            raise ValidationError.from_exception_data("map", lines[:MAX_ERRORS], hide_input=True)
        return judged

    return WrapValidator(judge)


Maybe = Annotated[T | None, NotNull()]
Items = Annotated[list[T], _list_in_parts(64)]
"""A list of plain values."""
SomeItems = Annotated[list[T], Field(min_length=1), _list_in_parts(64)]
"""At least one plain value."""
Objects = Annotated[list[T], _list_in_parts(1)]
"""A list of objects. Each may have many errors, so the first hundred are looked for one by one."""
SomeObjects = Annotated[list[T], Field(min_length=1), _list_in_parts(1)]
"""At least one object."""
Entries = Annotated[dict[str, T], _map_in_parts(64)]
"""Names of the producer's own, each with a plain value."""
ObjectEntries = Annotated[dict[str, T], _map_in_parts(1)]
"""Names of the producer's own, each with an object."""


class Closed(BaseModel):
    """An object that takes the keys below and no others. Defaults are the endpoint's own: shown, never sent."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON Schema without ``default: null``: null is not allowed, absence is."""
        document = handler(schema)
        properties = handler.resolve_ref_schema(document).get("properties", {})
        for shown in properties.values():
            if shown.get("default", ...) is None:
                del shown["default"]
        return document


class Ruled(Closed):
    """A closed object with rules across its keys. They are looked at even where a field is wrong."""

    @classmethod
    @abstractmethod
    def faults(cls, given: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield what is wrong across the keys that are given."""

    @model_validator(mode="wrap")
    @classmethod
    def _weigh(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        found = tuple(cls.faults(value)) if isinstance(value, dict) else ()
        try:
            made = handler(value)
        except ValidationError as error:
            raise refusal(cls.__name__, found, error) if found else error from None
        if found:
            raise refusal(cls.__name__, found)
        return made


class Body(Closed):
    """The whole body of one command."""

    def body(self) -> dict[str, Any]:
        """Return the JSON form: the keys that were given, under their names on the wire."""
        given = self.model_dump(by_alias=True, exclude_unset=True)
        given.pop("command", None)
        return {"command": type(self).model_fields["command"].default, **given}

    def wire(self) -> bytes:
        """Return the JSON bytes to publish. Raises ValueError for NaN and infinity, also in free objects."""
        document = self.body()
        content = orjson.dumps(document)
        if b"null" in content and not is_finite(document):  # orjson writes null for them
            raise ValueError("The body holds NaN or infinity, for which JSON has no form.")
        return content


class OnCall(Body):
    """A command on a live call, which the top-level ``id`` names."""

    id: CallId
    """The call."""


def absent(given: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Tell whether none of ``keys`` is given."""
    return not any(key in given for key in keys)


def at_least_one(*keys: str) -> dict[str, Any]:
    """Return the JSON Schema of a rule that a model's ``faults`` keeps."""
    return {"anyOf": [{"required": [key]} for key in keys]}


def exactly_one(*keys: str) -> dict[str, Any]:
    """Return the JSON Schema of a rule that a model's ``faults`` keeps."""
    return {"oneOf": [{"required": [key]} for key in keys]}


def wire_keys(model: type[BaseModel]) -> frozenset[str]:
    """Return the keys that a model knows, as they are written on the wire."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def declared_keys() -> frozenset[str]:
    """Return every key that any model knows, as it is written on the wire."""
    models: list[type[BaseModel]] = [Closed]
    keys = {"sections"}
    while models:
        model = models.pop()
        models += model.__subclasses__()
        keys |= wire_keys(model)
    return frozenset(keys)
