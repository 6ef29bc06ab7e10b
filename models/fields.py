"""Reading a config.json with sentences for what is missing or wrong."""

from typing import Any

from kvsim.errors import InputError

DEFAULT = object()


class Fields:
    """The fields of one config, and the file they came from."""

    def __init__(self, values: dict[str, Any], source: str) -> None:
        self.values = values
        self.source = source

    def whole(self, *names: str, default: Any = DEFAULT) -> int:
        """A positive integer, under the first of `names` that is there."""
        for name in names:
            value = self.values.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                raise InputError(
                    f"{self.source}: {name} is {value!r}; it must be a whole number > 0."
                )
            return value
        if default is not DEFAULT:
            return int(default)
        raise InputError(f"{self.source}: {' or '.join(names)} is missing.")

    def count(self, name: str, default: int = 0) -> int:
        """An integer that may be 0 or null."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{self.source}: {name} is {value!r}; it must be a whole number >= 0.")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise InputError(f"{self.source}: {name} is {value!r}; it must be true or false.")
        return value

    def kinds(self, name: str) -> list[Any] | None:
        """A list with an entry for each layer."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, list):
            raise InputError(f"{self.source}: {name} is {value!r}; it must be a list.")
        return value
