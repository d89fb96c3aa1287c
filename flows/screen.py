"""What a person sees while a run works: short lines on stderr, a progress bar only on a terminal."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

import click
from tqdm import tqdm

T = TypeVar("T")


def say(line: str) -> None:
    """One line of progress, on stderr."""
    click.echo(line, err=True)


def watch(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """The items, with a progress bar where a terminal shows it."""
    yield from tqdm(items, desc=label, total=total, disable=not sys.stderr.isatty() or not total, leave=False)
