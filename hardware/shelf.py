"""Where devices of one kind are found: in the catalogue by name, or in a file of the user's."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from kvsim.errors import InputError, perhaps
from kvsim.hardware.sheet import Sheet

CATALOGUE = Path(__file__).resolve().parent
JSON = ".json"
"""How the name of a calibration file ends, which describes the devices it was measured on."""
D = TypeVar("D")


class Shelf(Generic[D]):
    """All devices of a kind: a folder with a file for each, or a file with an entry for each."""

    def __init__(self, kind: str, place: str, read: Callable[[Sheet, str], D]) -> None:
        self.kind = kind
        self._place = CATALOGUE / place
        self._read = read
        self._found: dict[str, D] = {}

    def names(self) -> list[str]:
        """Names in the catalogue, in alphabetical order."""
        if self._place.is_dir():
            return sorted(path.stem for path in self._place.glob("*.yaml"))
        return sorted(_document(self._place).get("entries", {}))

    def find(self, name: str) -> D:
        """The device of that name or alias, whatever its case; or the one in that file."""
        if name.endswith(JSON):
            return self._load(name, self._measured(name), name)
        if is_path(name):
            return self._load(name, read_yaml(Path(name)), Path(name).stem)
        known = self.known(name)
        if known is None:
            hint = perhaps(_key(name), self.words()) or f" Allowed: {', '.join(self.names())}."
            raise InputError(f"There is no {self.kind} {name!r} in the catalogue.{hint}")
        if known not in self._found:
            self._found[known] = self._load(*self._entry(known))
        return self._found[known]

    def _measured(self, name: str) -> dict[str, Any]:
        """The fields of this kind of device in a calibration file, which is then its name."""
        fields = read_json(Path(name)).get("devices", {}).get(self.kind)
        if fields is None:
            raise InputError(
                f"{name} describes no {self.kind}; `kvsim calibrate` writes such files."
            )
        return {**fields, "name": name}

    def known(self, name: str) -> str | None:
        """The catalogue's own name of a name or alias; None: it has no such device."""
        key = _key(name)
        return key if key in self.names() else self._aliases().get(key)

    def words(self) -> list[str]:
        """Names and aliases: whatever may be typed."""
        return [*self.names(), *self._aliases()]

    def _aliases(self) -> dict[str, str]:
        given = {name: self._entry(name)[1].get("aliases", ()) for name in self.names()}
        return {str(alias): name for name, aliases in given.items() for alias in aliases}

    def _entry(self, name: str) -> tuple[str, dict[str, Any], str]:
        """The file, the fields and the name of an entry of the catalogue."""
        if self._place.is_dir():
            file = self._place / f"{name}.yaml"
            return str(file), _document(file), name
        document = _document(self._place)
        fields = {**document["entries"][name], "sources": document["sources"]}
        return f"{self._place} ({name})", fields, name

    def _load(self, where: str, fields: dict[str, Any], name: str) -> D:
        sheet = Sheet(where, fields)
        sheet.plain("aliases", [])
        device = self._read(sheet, sheet.plain("name", name))
        sheet.done()
        return device


def is_path(name: str) -> bool:
    """Whether a user means a file, not a name."""
    return "/" in name or name.endswith((".yaml", ".yml", JSON))


def _key(name: str) -> str:
    return "-".join(name.strip().lower().replace("_", " ").split())


@cache
def _document(path: Path) -> dict[str, Any]:
    return read_yaml(path)


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises InputError that names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


def read_json(path: Path) -> dict[str, Any]:
    """The parts of a calibration file. Raises InputError that names the file."""
    import json

    text = read_file(path)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}.") from None
    if not isinstance(found, dict) or "devices" not in found:
        raise InputError(f"{path} is no calibration; `kvsim calibrate` writes one.")
    return found


def read_yaml(path: Path) -> dict[str, Any]:
    """The fields in a YAML file. Raises InputError that names the file."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where it was built
    try:
        fields = yaml.load(path.read_text(encoding="utf-8"), loader)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(fields, dict):
        raise InputError(f"{path} holds no fields; a device is a mapping of names to values.")
    return fields
