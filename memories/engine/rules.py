"""What a setting may be: rules that turn a value from a file or a variable into the setting."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """How a value from a file or a variable becomes the setting; `parse` raises ValueError or TypeError."""

    allowed: str
    parse: Callable[[Any], Any]
    optional: bool = False

    def __call__(self, value: Any) -> Any:
        if self.optional and (value is None or value == "none"):
            return None
        return self.parse(value)


def whole(low: int, high: int | None = None, optional: bool = False) -> Rule:
    def parse(value: Any) -> int:
        found = int(value) if isinstance(value, str) else value
        if isinstance(found, bool) or not isinstance(found, int):
            raise TypeError
        if found < low or (high is not None and found > high):
            raise ValueError
        return found

    span = f"from {low} to {high}" if high is not None else f"from {low} up"
    return Rule(f"a whole number {span}" + _or_none(optional), parse, optional)


def number(low: float, high: float) -> Rule:
    def parse(value: Any) -> float:
        if isinstance(value, bool):
            raise TypeError
        found = float(value)
        if not low <= found <= high:
            raise ValueError
        return found

    return Rule(f"a number from {low:g} to {high:g}", parse)


def truth(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if isinstance(value, bool):
        return value
    raise ValueError


def choice(*names: str, upper: bool = False, optional: bool = False) -> Rule:
    def parse(value: Any) -> str:
        name = str(value).upper() if upper else str(value).lower()
        if name not in names:
            raise ValueError
        return name

    return Rule(f"one of {', '.join(names)}" + _or_none(optional), parse, optional)


def string(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def strings(value: Any) -> list[str]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError
    return [item.strip() for item in items if item.strip()]


def extensions(value: Any) -> list[str]:
    return [item.lstrip("*").lstrip(".").lower() for item in strings(value)]


def color(value: Any) -> str:
    from PIL import ImageColor

    ImageColor.getrgb(string(value))
    return value


def _or_none(optional: bool) -> str:
    return ' or "none"' if optional else ""


def words(allowed: str, parse: Callable[[Any], Any], optional: bool = False) -> Rule:
    return Rule(allowed + _or_none(optional), parse, optional)


YES_NO = Rule("true or false", truth)
TEXT = words("a text that is not empty", string)
COLOR = words("a colour name or #rrggbb", color)
PATTERNS = words("a list of texts", strings)
