"""parse: what the programs of the system are asked, by programs that stand in their place on the path."""

import sys
from pathlib import Path

import pytest
from test_parse import _SENTENCE, _docx, _png, _scan, compound

from pipelines.ingestion.parsing import DocumentError, ParseSettings, parse_content

pytestmark = pytest.mark.usefixtures("prepared_parser")


@pytest.fixture
def put_program(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(name, code):
        program = tmp_path / name
        program.write_text(f"#!{sys.executable} -I\nimport pathlib, sys, time\n{code}\n")
        program.chmod(0o755)

    return put


def _read(name, content, **settings):
    elements = parse_content(content, name, ("eng", "deu"), ParseSettings(**settings))
    return [(element.kind, element.text) for element in elements]


def test_an_old_office_file_is_read_as_libreoffice_saves_it(put_program, tmp_path):
    Path(tmp_path, "saved").write_bytes(_docx())
    put_program(
        "soffice",
        f"saved = pathlib.Path({str(tmp_path)!r}, 'saved').read_bytes()\n"
        "target, folder = sys.argv[sys.argv.index('--convert-to') + 1], sys.argv[sys.argv.index('--outdir') + 1]\n"
        "pathlib.Path(folder, 'document.' + target).write_bytes(saved)",
    )
    assert ("text", _SENTENCE) in _read("a.doc", compound("WordDocument"))


@pytest.mark.parametrize(("name", "content"), [("a.png", _png()), ("a.pdf", _scan())])
def test_an_image_is_read_by_tesseract_in_the_languages_of_its_source(put_program, name, content):
    put_program(
        "tesseract",
        "assert sys.stdin.buffer.read(4) == b'\\x89PNG' and sys.argv[1:] == ['-', '-', '-l', 'eng+deu']\n"
        f"print({_SENTENCE!r})",
    )
    assert _read(name, content) == [("text", _SENTENCE)]


@pytest.mark.parametrize(
    ("code", "reason", "detail"),
    [
        ("time.sleep(60)", "timeout", "soffice took longer than 0.5 seconds"),
        ("sys.exit('no such filter')", "corrupt", "soffice cannot read it (no such filter)"),
        ("pass", "corrupt", "LibreOffice cannot read the doc"),
    ],
)
def test_a_program_that_fails_costs_one_document(put_program, code, reason, detail):
    put_program("soffice", code)
    with pytest.raises(DocumentError) as refusal:
        _read("a.doc", compound("WordDocument"), timeout_seconds=0.5 if reason == "timeout" else 30)
    assert (refusal.value.reason, refusal.value.detail) == (reason, detail)
