"""argparse whose mistakes are a UserError of one sentence that names the nearest option."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from priorrl_core.errors import UserError, nearest


class Parser(argparse.ArgumentParser):
    """One verb's options. Every verb takes ``--seed`` and ``--json``."""

    def __init__(self, prog: str, description: str, examples: str) -> None:
        super().__init__(
            prog=prog,
            description=description[0].upper() + description[1:] + ".",
            epilog="examples:\n" + "\n".join(f"  {e}" for e in examples.strip().splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument(
            "--seed",
            type=whole_number(0),
            default=0,
            metavar="N",
            help="seed of everything random (default 0)",
        )
        self.add_argument("--json", action="store_true", help="print one JSON object as the last line")

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see '{self.prog} --help'")

    def option_names(self) -> list[str]:
        return [s for a in self._actions for s in a.option_strings if s.startswith("--")]


def parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Options of ``words``; UserError names the nearest option to an unknown one."""
    args, rest = parser.parse_known_args(list(words))
    if rest:
        word = rest[0].split("=")[0]
        if word.startswith("-"):
            raise UserError(f"{parser.prog}: unknown option '{word}'{nearest(word, parser.option_names())}")
        raise UserError(f"{parser.prog}: unexpected argument '{word}'; see '{parser.prog} --help'")
    return args


def whole_number(lower: int, upper: int = 2**32 - 1) -> Callable[[str], int]:
    """An argparse type: an integer in [lower, upper]."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
        if not lower <= value <= upper:
            raise argparse.ArgumentTypeError(f"{value} is out of range, give {lower} to {upper}")
        return value

    return convert


def number(lower: float, upper: float) -> Callable[[str], float]:
    """An argparse type: a finite number in [lower, upper]."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
        if not lower <= value <= upper:  # also refuses NaN
            raise argparse.ArgumentTypeError(f"{text} is out of range, give {lower:g} to {upper:g}")
        return value

    return convert


def one_of(*names: str) -> Callable[[str], str]:
    """An argparse type: one of ``names``; the error names the nearest."""

    def convert(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"'{text}' is unknown{nearest(text, names)}")
        return text

    return convert


def add_scenario(parser: Any) -> None:
    """``--scenario I|II``."""
    parser.add_argument(
        "--scenario",
        type=one_of("I", "II"),
        default="I",
        metavar="I|II",
        help="start within 10 mm (I) or 10 to 20 mm off (II); default I",
    )
