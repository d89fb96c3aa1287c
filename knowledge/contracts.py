"""Data contracts: suites in `knowledge/expectations/`. The only module that knows great_expectations."""

import json
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxml import html

from knowledge.errors import ContentError

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = 3  # values named of those that break an expectation

# what Great Expectations' page loads from elsewhere, and what does nothing without that
_FOREIGN = (
    "//script | //link | //style | //img | //nav | //footer | //button"
    " | //*[contains(@class, 'modal') or contains(@class, 'col-lg-2') or @data-toggle='collapse']"
    " | //*[contains(@id, 'collapse-item-2') or contains(@id, 'collapse-item-3')]"  # how the rows were handed over
)
_HEAD = """
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h5, h6 { font-size: 1.1rem; margin: 1rem 0 0; }
table { border-collapse: collapse; table-layout: fixed; width: 100%; margin: .4rem 0 1rem; }
.ge-section th:first-child:nth-last-child(3) { width: 5rem; }
td, th { border-bottom: 1px solid #8885; padding: .3rem .6rem; text-align: left; vertical-align: top; }
ul, ol { margin: 0; padding-left: 1.1rem; }
pre, code { white-space: pre-wrap; overflow-wrap: anywhere; }
.cooltip .top { display: none; }
.fa-check-circle::before { content: "✓"; color: #1a7f37; font-style: normal; }
.fa-times::before, .fa-exclamation-triangle::before { content: "✗"; color: #cf222e; font-style: normal; }
</style>
"""


@dataclass(frozen=True, slots=True)
class Broken:
    """One expectation that rows do not meet: which, on which column, how many rows, with a few of their values."""

    contract: str
    expectation: str
    column: str
    rows: int
    examples: tuple[str, ...]

    def __add__(self, other: "Broken") -> "Broken":
        """The same expectation in more rows."""
        return replace(self, rows=self.rows + other.rows, examples=(*self.examples, *other.examples)[:EXAMPLES])

    def __str__(self) -> str:
        where = f" of {self.column}" if self.column else ""
        seen = f", such as {', '.join(self.examples)}" if self.examples else ""
        return f"contract '{self.contract}': {self.expectation}{where} does not hold in {self.rows} rows{seen}"


@dataclass(frozen=True, slots=True)
class Validated:
    """What the contract in `path` found in rows; `page` is its data docs, one HTML page that fetches nothing."""

    contract: str
    broken: tuple[Broken, ...]
    page: str
    path: Path


def prepare() -> None:
    """Import Great Expectations, which takes six seconds, before there are rows to hold against a contract."""
    import_module("great_expectations")


class Contract:
    """One suite file, held against rows that come in parts, so that never all of them need be in memory.

    Raises ContentError where the file is no contract, or an expectation cannot be made or run.
    """

    def __init__(self, path: Path):
        suite = read_suite(path)
        self.name, self._entries, self._meta = suite["name"], suite["expectations"], suite.get("meta")
        self._path = path
        self._rows = 0
        self._broken: dict[str, Broken] = {}
        self._shown: Any = None
        self._shown_rows = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns its expectations are about."""
        return tuple(dict.fromkeys(filter(None, map(column_of, self._entries))))

    def hold(self, frame: "pd.DataFrame") -> None:
        """Hold one part of the rows against every expectation."""
        suite, batches = self._compiled
        outcome = batches.get_batch({"dataframe": frame}).validate(suite)
        whole = not self._broken
        for result in outcome.results:
            if not result.success:
                found, key = _broken(self.name, result, len(frame)), _key(result)
                self._broken[key] = self._broken[key] + found if key in self._broken else found
        if whole:  # the page is of the first part that breaks it, else of the last
            self._shown, self._shown_rows = outcome, len(frame)
        self._rows += len(frame)

    def validated(self, *, run: str) -> Validated:
        """What was found in all parts. run: what the page calls this validation, such as the night."""
        part = f"{self._shown_rows} of " if self._shown_rows != self._rows else ""
        return Validated(
            self.name, tuple(self._broken.values()), _page(self._shown, f"{run}, {part}{self._rows} rows"), self._path
        )

    @cached_property
    def _compiled(self) -> tuple[Any, Any]:
        import great_expectations as gx  # takes six seconds: only where there are rows to validate

        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        expectations = [_expectation(gx, entry, self._path) for entry in self._entries]
        asset = context.data_sources.add_pandas("rows").add_dataframe_asset(self.name)
        suite = gx.ExpectationSuite(name=self.name, expectations=expectations, meta=self._meta)
        return suite, asset.add_batch_definition_whole_dataframe("all")


def read_suite(path: Path) -> dict[str, Any]:
    """A suite as people wrote it. Raises ContentError."""
    try:
        suite: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {**suite, "name": str(suite["name"]), "expectations": list(suite["expectations"])}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ContentError(f"{path}: no usable contract ({problem!r}). It needs 'name' and 'expectations'.") from None


def column_of(entry: Any) -> str:
    """The column an expectation is about; empty where it is about none."""
    kwargs = entry.get("kwargs") if isinstance(entry, dict) else None
    return str(kwargs.get("column", "")) if isinstance(kwargs, dict) else ""


def validate(frame: "pd.DataFrame", path: Path, *, run: str) -> Validated:
    """Hold rows against one suite file; nothing broken means that every expectation is met. Raises ContentError."""
    contract = Contract(path)
    contract.hold(frame)
    return contract.validated(run=run)


def _page(outcome: Any, run: str) -> str:
    """The page Great Expectations renders, without what it would load from elsewhere: it opens offline, in a frame."""
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    outcome.meta["run_id"] = RunIdentifier(run_name=run, run_time=datetime.now(UTC))
    page = html.document_fromstring(_view().render(ValidationResultsPageRenderer().render(outcome)))
    for foreign in page.xpath(_FOREIGN):
        foreign.drop_tree()
    for link in page.xpath("//a[not(starts-with(@href, '#'))]"):
        link.drop_tag()  # to pages of a whole site of data docs
    for part in html.fragments_fromstring(_HEAD):
        page.head.insert(0, part)
    return str(html.tostring(page, encoding="unicode", doctype="<!doctype html>"))


@cache  # it compiles its templates once
def _view() -> Any:
    from great_expectations.render.view import DefaultJinjaPageView

    return DefaultJinjaPageView()


def _expectation(gx: Any, entry: dict[str, Any], path: Path) -> Any:
    try:
        parts = "".join(part.title() for part in entry["type"].split("_"))
        return getattr(gx.expectations, parts)(**entry.get("kwargs", {}))
    except (AttributeError, TypeError, KeyError, ValueError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ContentError(f"{path}: {entry!r} is no usable expectation ({words}). Correct it.") from None


def _key(result: Any) -> str:
    """The same expectation in every part of the rows."""
    kwargs = {name: value for name, value in result.expectation_config.kwargs.items() if name != "batch_id"}
    return json.dumps([result.expectation_config.type, kwargs], sort_keys=True, default=str)


def _broken(contract: str, result: Any, rows: int) -> Broken:
    configuration, found = result.expectation_config, result.result
    # of one metric it is the message itself, of several a message for each
    failures = [result.exception_info, *(each for each in result.exception_info.values() if isinstance(each, dict))]
    for error in filter(None, (each.get("exception_message") for each in failures)):
        raise ContentError(f"contract '{contract}': {configuration.type} cannot run ({str(error).splitlines()[0]}).")
    values = found.get("partial_unexpected_list") or []
    observed = found.get("observed_value")
    return Broken(
        contract=contract,
        expectation=configuration.type,
        column=configuration.kwargs.get("column", ""),
        rows=int(found.get("unexpected_count") or rows),
        examples=tuple(repr(value) for value in values[:EXAMPLES])
        or ((repr(observed),) if observed is not None else ()),
    )
