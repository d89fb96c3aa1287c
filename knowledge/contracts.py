"""Data contracts: suites in `knowledge/expectations/`. The only module that knows great_expectations."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.errors import ContentError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Broken:
    """One expectation that rows do not meet: which, on which column, how many rows, with a few of their values."""

    contract: str
    expectation: str
    column: str
    rows: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        where = f" of {self.column}" if self.column else ""
        seen = f", such as {', '.join(self.examples)}" if self.examples else ""
        return f"contract '{self.contract}': {self.expectation}{where} does not hold in {self.rows} rows{seen}"


def validate(frame: "pd.DataFrame", path: Path) -> list[Broken]:
    """Hold rows against one suite file; an empty list means that every expectation is met. Raises ContentError."""
    import great_expectations as gx  # takes six seconds: only where there are rows to validate

    try:
        contract = json.loads(path.read_text(encoding="utf-8"))
        name, entries = contract["name"], contract["expectations"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ContentError(f"{path}: no usable contract ({problem!r}). It needs 'name' and 'expectations'.") from None
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = gx.ExpectationSuite(name=name, expectations=[_expectation(gx, entry, path) for entry in entries])
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    outcome = batch.validate(suite)
    return [_broken(name, result, len(frame)) for result in outcome.results if not result.success]


def _expectation(gx: Any, entry: dict[str, Any], path: Path) -> Any:
    try:
        parts = "".join(part.title() for part in entry["type"].split("_"))
        return getattr(gx.expectations, parts)(**entry.get("kwargs", {}))
    except (AttributeError, TypeError, KeyError, ValueError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ContentError(f"{path}: {entry!r} is no usable expectation ({words}). Correct it.") from None


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
        examples=tuple(repr(value) for value in values[:3]) or ((repr(observed),) if observed is not None else ()),
    )
