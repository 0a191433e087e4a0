"""What an ETL runs, on its way to the process that runs it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import cloudpickle  # type: ignore[import-untyped]
from aistore.sdk.etl.etl import Etl

from aistorch.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class EtlCode:
    """Code that makes bytes of bytes.

    Attributes:
        kind: What `payload` is: the name of a function, `package.module:function`; a pickled function, or a pickled
            `ETLServer` of the SDK, in base64.
        payload: The code.
        label: What people call it.
        environment: Variables that it finds in its process.
    """

    kind: Literal["name", "function", "class"]
    payload: str = field(repr=False)
    label: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_name(cls, name: str) -> EtlCode:
        """A function by its name, `package.module:function`; imported where it runs.

        Raises:
            InvalidArgumentError: It is no such name.
        """
        module, colon, function = name.partition(":")
        parts = [*module.split("."), *function.split(".")]
        if not colon or not all(part.isidentifier() for part in parts):
            raise InvalidArgumentError(f"{name!r} names no function; write it as package.module:function")
        return cls("name", name, name)

    @classmethod
    def of_function(cls, function: Callable[..., bytes]) -> EtlCode:
        """A function itself: of a module by its name, any other with all it refers to.

        Raises:
            InvalidArgumentError: It is no function, or holds something that cannot be sent to another process.
        """
        if not callable(function):
            raise InvalidArgumentError(f"an ETL is a function from bytes to bytes, not {type(function).__name__}")
        label = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', repr(function))}"
        try:
            pickled = cloudpickle.dumps(function)
        except Exception as error:  # it may come from anything that the function holds
            raise InvalidArgumentError(
                f"the ETL {label} cannot be sent to another process ({error}); "
                "let it make what it needs when it is called, in a module of its own"
            ) from error
        return cls("function", base64.b64encode(pickled).decode(), label)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EtlCode:
        """What `to_json` made."""
        return cls(value["kind"], value["payload"], value["label"])

    def to_json(self) -> dict[str, str]:
        """As it travels to the server, and to its process."""
        return {"kind": self.kind, "payload": self.payload, "label": self.label}


def check_etl_name(name: str) -> str:
    """The name itself.

    Raises:
        InvalidArgumentError: AIStore takes no such name: it has 6 to 32 lower-case letters, digits and inner hyphens.
    """
    try:
        Etl.validate_etl_name(name)
    except ValueError as error:
        raise InvalidArgumentError(f"{error}; use 6 to 32 of [a-z0-9-]") from None
    return name


def parse_option(text: str) -> tuple[str, EtlCode]:
    """Name and code of `NAME=package.module:function`, as the command line has it.

    Raises:
        InvalidArgumentError: It is something else.
    """
    name, equals, code = text.partition("=")
    if not equals:
        raise InvalidArgumentError(f"the ETL {text!r} has no name; write it as NAME=package.module:function")
    return check_etl_name(name), EtlCode.of_name(code)
