"""The templates that stand beside this module, with everything put into them escaped."""

from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evals.drift.verdict import written
from flows.changes import counted
from flows.report.figures import signed
from flows.report.words import clean, mark_differences, shorten


def environment() -> Environment:
    """Autoescape for markup, and every text freed of what cannot be seen before it is put in."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=clean,
    )
    found.globals.update(
        mark_differences=mark_differences,
        shorten=shorten,
        brief=partial(shorten, longest=300),
        signed=signed,
        counted=counted,
        written=written,
    )
    return found
