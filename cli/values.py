"""Options that take several values, in one way everywhere: `--pitch 0 20`, `--pitch 0,20` or `--pitch 0 --pitch 20`.

Click gives an option a fixed number of values. `Command` therefore writes the flag before each further value, and then
lets click parse as usual. The first word after the flag is always a value; a further word is one where the option's
`takes` says so, hence in `mpc render --layers mask depth_front models/` the folder stays the positional argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


class Values(click.Option):
    """An option that takes one or more values.

    Args:
        takes: whether a further word, after the first value, is another value of this option.
        separator: regular expression of what separates values inside a word.
        exactly: the number of values that must be given; None for any number.
        *arguments: as for `click.Option`.
        **attributes: as for `click.Option`.
    """

    def __init__(
        self, *arguments: Any, takes: Callable[[str], bool], separator: str = ",", exactly: int | None = None,
        **attributes: Any,
    ) -> None:  # fmt: skip
        super().__init__(*arguments, **{**attributes, "multiple": True})
        self.takes, self.separator, self.exactly = takes, separator, exactly

    def split(self, word: str) -> list[str]:
        """The values in a word; the name of an existing file or folder may contain commas."""
        if isinstance(self.type, click.Path) and Path(word).exists():
            return [word]
        return [part.strip() for part in re.split(self.separator, word) if part.strip()]

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Split words, convert each value, and check the number of values."""
        if isinstance(value, list | tuple):
            parts = [part for word in value for part in (self.split(word) if isinstance(word, str) else [word])]
            if value and not parts:
                raise click.BadParameter("requires a value.", ctx=ctx, param=self)
            value = parts
        try:
            values = super().type_cast_value(ctx, value)
        except click.BadParameter as error:
            hint = f"Several values are written {self.opts[0]} A B or {self.opts[0]} A,B."
            raise click.BadParameter(f"{error.message} {hint}", ctx=ctx, param=self) from error
        if self.exactly is not None and len(values) != self.exactly:
            raise click.BadParameter(f"expected {self.exactly} values, got {len(values)}.", ctx=ctx, param=self)
        return values


class Command(click.Command):
    """A command with options that take several values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the flag before each value of a `Values` option; then click parses as usual."""
        return super().parse_args(ctx, repeat_flags(args, self.params))


def repeat_flags(words: Sequence[str], parameters: Iterable[click.Parameter]) -> list[str]:
    """The command line with `--flag=value` for each value of a `Values` option."""
    flags = {flag: option for option in parameters if isinstance(option, Values) for flag in option.opts}
    result: list[str] = []
    option: Values | None = None
    flag, given = "", 0
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word == "--":
            return [*result, *words[place:]]
        if name in flags:
            option, flag, given = flags[name], name, 0
            if not equals:
                following = words[place + 1 : place + 2]
                if not following or (following[0].startswith("-") and not is_number(following[0])):
                    raise click.BadOptionUsage(flag, f"Option '{flag}' requires a value.")
                continue
        elif option is not None and (given == 0 or _is_further_value(option, given, word)):
            value = word
        else:
            option = None
            result.append(word)
            continue
        given += max(len(option.split(value)), 1)
        result.append(f"{flag}={value}")
    return result


def _is_further_value(option: Values, given: int, word: str) -> bool:
    if option.exactly is not None and given >= option.exactly:
        return False
    return (is_number(word) or not word.startswith("-")) and option.takes(word)


def is_number(word: str) -> bool:
    """Whether a word is a number, or several with commas between them."""
    try:
        return bool([float(part) for part in word.strip(",").split(",")])
    except ValueError:
        return False


def numbers(*names: str, **attributes: Any) -> Callable[[Function], Function]:
    """An option of numbers."""
    return click.option(*names, cls=Values, takes=is_number, type=float, **attributes)


def names(*flags: str, known: Callable[[], Iterable[str]], **attributes: Any) -> Callable[[Function], Function]:
    """An option of names. A word that is the path of an existing file or folder, and no known name, is not one.

    Args:
        flags: as for `click.option`.
        known: returns the names there are; called where a word might be a path.
        attributes: as for `click.option`.
    """

    def takes(word: str) -> bool:
        return not ("/" in word or Path(word).exists()) or word in known()

    return click.option(*flags, cls=Values, takes=takes, **attributes)


def assignments(*names: str, **attributes: Any) -> Callable[[Function], Function]:
    """An option of KEY=VALUE texts; a value may be a list with commas, as in decay_at=0.6,0.85."""
    return click.option(*names, cls=Values, takes=lambda word: "=" in word, separator=r",(?=[\w.]+=)", **attributes)


def paths(*names: str, **attributes: Any) -> Callable[[Function], Function]:
    """An option of paths, for commands without positional arguments."""
    return click.option(*names, cls=Values, takes=lambda word: True, **attributes)


class NumberOr(click.ParamType):  # type: ignore[type-arg]  # generic in click's newest stubs alone
    """A number, or a word that stands for one.

    Args:
        word: the word.
    """

    name = "number"

    def __init__(self, word: str) -> None:
        self.word = word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """The number, or the word."""
        if isinstance(value, str) and value.lower() == self.word:
            return self.word
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor {self.word!r}.", param, ctx)


class Span(click.ParamType):  # type: ignore[type-arg]  # see NumberOr
    """A number, which gives (number, 0.0), or two with a colon between them, which give both: `40`, `20:60`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """The two numbers."""
        if isinstance(value, tuple):  # the default
            return value
        parts = str(value).split(":")
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2):
            self.fail(f"{value!r} is neither a number nor two such as 20:60.", param, ctx)
        return numbers[0], numbers[1] if len(numbers) == 2 else 0.0
