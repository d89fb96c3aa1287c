"""index_page: the files that a web server's index pages link to, below the URL of the first one."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import lxml.html
from lxml.etree import LxmlError

from knowledge.errors import SourceError
from knowledge.source import is_hidden
from pipelines.ingestion.bucket import FileSystem, key_name
from pipelines.ingestion.remote import FetchError, RemoteFile, in_words

MAX_DEPTH = 64
LOOKS_SIDE_BY_SIDE = 8


class IndexPage:
    """The files below a page; a link that ends in a slash is another index page."""

    side_by_side = True

    def __init__(self, url: str, *, what: str):
        self._what = what
        page = urlsplit(url).path.rpartition("/")[2]
        self._first = url if page.endswith((".html", ".htm")) else f"{url.rstrip('/')}/"
        self.below = self._first.rpartition("/")[0] + "/"
        self._files = FileSystem(url, what=what)

    def files(self) -> Iterable[RemoteFile]:
        """Every linked file, with what a HEAD request says of it. Raises SourceError."""
        addresses = list(self._walk())
        with ThreadPoolExecutor(LOOKS_SIDE_BY_SIDE) as pool:
            return list(pool.map(self._describe, addresses))

    def fetch(self, file: RemoteFile, to: Path) -> None:
        """Fetch one file. Raises FetchError."""
        self._files.fetch(file, to)

    def _describe(self, address: str) -> RemoteFile:
        name = key_name(unquote(address.removeprefix(self.below), errors="surrogateescape"))
        try:
            return self._files.describe(name, {**self._files.look(address), "name": address})
        except FetchError:
            return RemoteFile(name, address, None, "")  # its fetch will fail as well, and tell why

    def _walk(self) -> Iterator[str]:
        waiting, seen = [self._first], {self._first}
        while waiting:
            page = waiting.pop()
            if page.count("/") - self.below.count("/") > MAX_DEPTH:
                raise SourceError(f"{self._what}: {page} is more than {MAX_DEPTH} folders deep. Is it a loop of links?")
            for link in self._links(page):
                if link in seen or is_hidden(unquote(link.removeprefix(self.below))):
                    continue
                seen.add(link)
                if link.endswith("/"):
                    waiting.append(link)
                else:
                    yield link

    def _links(self, page: str) -> Iterator[str]:
        """The links of a page that lead below the source's URL. Sorting links of a listing (?C=N) are not followed."""
        try:
            body = self._files.read(page)
            tree = lxml.html.document_fromstring(body) if body.strip() else None
        except (FetchError, LxmlError) as problem:
            detail = problem.detail if isinstance(problem, FetchError) else in_words(problem)
            raise SourceError(
                f"{self._what}: the index page {page} cannot be read ({detail}). Nothing was changed. "
                "Correct 'url', or run again when the server answers."
            ) from None
        for href in tree.xpath("//a/@href") if tree is not None else ():
            link = urljoin(page, href.strip()).partition("#")[0]
            if link.startswith(self.below) and link != self.below and not urlsplit(link).query:
                yield link
