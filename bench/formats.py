"""What parsing makes of a folder of real files: by kind of file, how many end as text and how many with which reason.

python -m bench.formats --documents DIR [--pages FILES.json] [--show PART_OF_A_NAME] [--json]
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from knowledge.record import Element
from pipelines.ingestion.parsing import DocumentError, ParseSettings, parse_content
from pipelines.ingestion.split import SplitSettings, split
from pipelines.ingestion.workers import prepare_worker


@dataclass(frozen=True, slots=True)
class Read:
    name: str
    suffix: str
    reason: str
    detail: str
    elements: int
    passages: int
    pages: int
    milliseconds: float


def read(path: Path, folder: Path, *, shown: str | None) -> Read:
    started, found, reason, detail = time.process_time(), [], "indexed", ""
    try:
        found = parse_content(path.read_bytes(), path.name, ("eng",), ParseSettings())
    except DocumentError as refusal:
        reason, detail = refusal.reason, refusal.detail
    passages = split(found, SplitSettings())
    spent = (time.process_time() - started) * 1000
    name = str(path.relative_to(folder))
    if shown is not None and shown in name:
        _print_elements(name, found, detail)
    pages = max((element.page or 0 for element in found), default=0)
    return Read(name, path.suffix.lower(), reason, detail, len(found), len(passages), pages, round(spent, 1))


def _print_elements(name: str, elements: list[Element], detail: str) -> None:
    print(f"== {name} {detail}")
    for element in elements:
        print(f"{element.part:3} {element.page or '':3} {element.kind:5} {element.depth}  {element.text[:300]}")


def wrong_pages(reads: list[Read], listing: Path) -> Iterator[str]:
    """Files whose last page with text is behind the last page they have, or that have none although they have text."""
    pages = {each["path"]: each.get("pages") for each in json.loads(listing.read_text(encoding="utf-8"))["data"]}
    for each in reads:
        if each.reason == "indexed" and pages.get(each.name) and not 0 < each.pages <= pages[each.name]:
            yield f"{each.name}: page {each.pages} of {pages[each.name]}"


def print_table(reads: list[Read]) -> None:
    by_suffix: dict[str, list[Read]] = defaultdict(list)
    for each in reads:
        by_suffix[each.suffix].append(each)
    print(f"{'suffix':10} {'files':>5} {'indexed':>7} {'ms each':>8}  {'slowest':40} reasons")
    for suffix, files in sorted(by_suffix.items()):
        slowest = max(files, key=lambda each: each.milliseconds)
        reasons = Counter(each.reason for each in files)
        indexed = reasons.pop("indexed", 0)
        mean = sum(each.milliseconds for each in files) / len(files)
        said = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
        print(
            f"{suffix or '-':10} {len(files):5} {indexed:7} {mean:8.1f}  "
            f"{f'{slowest.milliseconds:.0f} ms {slowest.name[-30:]}':40} {said}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--pages", type=Path)
    parser.add_argument("--show")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    prepare_worker()
    paths = sorted(path for path in given.documents.rglob("*") if path.is_file())
    reads = [read(path, given.documents, shown=given.show) for path in paths]
    if given.json:
        print(json.dumps([asdict(each) for each in reads], indent=1))
        return
    print_table(reads)
    for each in reads:
        if each.reason != "indexed":
            print(f"{each.reason:13} {each.name}: {each.detail}")
    if given.pages:
        print("pages that do not agree:", ", ".join(wrong_pages(reads, given.pages)) or "none")


if __name__ == "__main__":
    main()
