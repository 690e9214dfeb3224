"""How the demo page asks for inputs that are words and single numbers, and the examples that it offers.

``[form.<input>]`` of the configuration describes one field; what it leaves open follows from the signature
and from what the model itself does with the input: an input that goes straight into a lookup with a small
vocabulary offers that vocabulary. Nothing of this changes what the model takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tfjs_bundle.bundle import TensorInfo
from tfjs_bundle.errors import UsageError

#: A vocabulary larger than this is not for choosing from.
MOST_CHOICES = 200

#: Members of a field's table: what their values may be, and how that is called.
_MEMBERS: Mapping[str, tuple[Any, str]] = {
    "label": (str, "a text"),
    "help": (str, "a text"),
    "choices": (list, "a list"),
    "minimum": ((int, float), "a number"),
    "maximum": ((int, float), "a number"),
    "step": ((int, float), "a number"),
    "optional": (bool, "true or false"),
    "multiline": (bool, "true or false"),
    "value": ((str, int, float, bool), "a value of the input"),
}

#: Who says one of these wants no list of the vocabulary.
_OTHER_WAYS = frozenset(("choices", "minimum", "maximum", "step"))


class Use(Protocol):
    """What a model does with an input, as far as a form can use it."""

    @property
    def keys(self) -> tuple[str | int, ...]:
        """The vocabulary of the lookup that the input goes into."""

    @property
    def prose(self) -> bool:
        """It is taken apart into words or characters, so it may be long."""

    @property
    def closed(self) -> bool:
        """Anything but the keys is an error."""


def is_single(info: TensorInfo) -> bool:
    """Say whether one example of the input is one value: [batch], [batch, 1] and the like."""
    return info.shape is not None and all(side == 1 for side in info.shape[1:]) and len(info.shape) <= 4


def resolve(
    form: Mapping[str, Any],
    examples: Sequence[Any],
    inputs: Sequence[TensorInfo],
    uses: Mapping[str, Use],
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Settle what the page asks and offers.

    Args:
        form: tables by input name, with the members of docs/static-bundle.md.
        examples: tables with ``label`` and ``values``, which is by input name.
        uses: what the model does with its inputs, by name.

    Returns:
        The fields of all inputs of one value, those of ``form`` first and in its order, and the
        examples; both as JSON values.

    Raises:
        UsageError: a field or an example is not for this model, or makes no sense.
    """
    by_name = {info.name: info for info in inputs}
    for name in form:
        if name not in by_name:
            raise UsageError(
                f"[form.{name}] is for an input that the model does not have.",
                f"It has {', '.join(by_name)}.",
            )
    fields = {}
    for name in (*form, *(info.name for info in inputs if info.name not in form)):
        info, use = by_name[name], uses.get(name)
        given = _checked(form.get(info.name, {}), info)
        field: dict[str, Any] = {}
        if use and use.prose:
            field["multiline"] = True
        elif use and 0 < len(use.keys) <= MOST_CHOICES and not _OTHER_WAYS.intersection(given):
            # What is not in the vocabulary has an index too, unless the model refuses it.
            field.update(choices=list(use.keys), others=not use.closed)
        if is_single(info):
            fields[name] = {**field, **given}
    return fields, [_example(each, index, by_name, fields) for index, each in enumerate(examples, 1)]


def _checked(given: Any, info: TensorInfo) -> dict[str, Any]:
    where = f"[form.{info.name}]"
    if not isinstance(given, Mapping):
        raise UsageError(f"{where} must be a table, not {given!r}.", "Correct it.")
    for member, value in given.items():
        if member not in _MEMBERS:
            raise UsageError(f"{where} has no member {member!r}.", f"Members are {', '.join(_MEMBERS)}.")
        kinds, called = _MEMBERS[member]
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds == (int, float)):
            raise UsageError(f"{member!r} of {where} must be {called}, not {value!r}.", "Correct it.")
    if given and not is_single(info):
        raise UsageError(
            f"{where} is for an input of shape {list(info.shape or ())}.",
            "A field can be described where an example has one value, as in (None, 1).",
        )
    if given.get("optional") and info.dtype != "float32":
        raise UsageError(
            f"{where} cannot be optional: an input of {info.source_dtype} has no missing value.",
            "Only numbers of a float dtype have one, NaN.",
        )
    for value in (*given.get("choices", ()), *([given["value"]] if "value" in given else ())):
        _check_value(value, info, where)
    return dict(given)


def _check_value(value: Any, info: TensorInfo, where: str) -> None:
    if info.dtype == "string":
        fits, called = isinstance(value, str), "a text"
    elif info.dtype == "bool":
        fits, called = isinstance(value, bool), "true or false"
    elif info.dtype == "int32":
        fits, called = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    else:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits, called = number and math.isfinite(value), "a number"
    if not fits:
        raise UsageError(f"{where}: {value!r} is not {called}, which {info.name!r} takes.", "Correct it.")


def _example(
    given: Any, index: int, inputs: Mapping[str, TensorInfo], fields: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    where = f"[[examples]] number {index}"
    if not isinstance(given, Mapping) or set(given) - {"label", "values"}:
        raise UsageError(f"{where} must have a label and values, not {given!r}.", "Correct it.")
    label, values = given.get("label"), given.get("values")
    if not isinstance(label, str) or not isinstance(values, Mapping):
        raise UsageError(f"{where} must have a label and a table of values.", "Correct it.")
    unknown = [name for name in values if name not in inputs]
    if unknown:
        raise UsageError(
            f"{where} has {unknown[0]!r}, which is no input.", f"Inputs are {', '.join(inputs)}."
        )
    for name, info in inputs.items():
        if not is_single(info):
            raise UsageError(
                f"Examples need inputs of one value each; {name!r} has the shape {list(info.shape or ())}.",
                "Leave [[examples]] out.",
            )
        if name in values:
            _check_value(values[name], info, where)
        elif not fields.get(name, {}).get("optional"):
            raise UsageError(f"{where} has no value for {name!r}.", "Give one for every input.")
    return {"label": label, "values": dict(values)}
