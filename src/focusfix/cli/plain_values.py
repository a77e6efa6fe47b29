"""Values that are already what their option wants, such as texts: nothing has to convert them.

Typer 0.29 converts every value with pydantic, None and defaults included, and importing pydantic
takes as long as importing numpy. What needs a conversion, Typer still converts.
"""

from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    import typer


class PlainCommand(TyperCommand):
    """A command that converts only the values that need it."""

    def get_params(self, ctx: Any) -> list[Any]:
        """List the parameters, ``--help`` among them."""
        return _spare_conversions(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """A group of commands that converts only the values of its own options that need it."""

    def get_params(self, ctx: Any) -> list[Any]:
        """List the parameters, ``--help`` among them."""
        return _spare_conversions(super().get_params(ctx))


def _spare_conversions(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if "process_value" not in vars(parameter):
            _spare_conversion(parameter)
    return parameters


def _spare_conversion(parameter: Any) -> None:
    convert = parameter.process_value
    takes_many = getattr(parameter, "multiple", False) or parameter.nargs == -1
    wanted = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)

    def process_value(context: "typer.Context", value: Any) -> Any:
        if (parameter.required and not value) or not _is_plain(value, wanted):
            return convert(context, value)
        if takes_many:
            value = tuple(value or ())
        if parameter.callback is not None:
            return parameter.callback(context, parameter, value)
        return value

    vars(parameter)["process_value"] = process_value


def _is_plain(value: Any, wanted: Any) -> bool:
    """Tell whether a value is what an option wants: not given, a default, a text, or texts."""
    if value is None:
        return True
    if wanted == list[str]:
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    return isinstance(wanted, type) and isinstance(value, wanted)
