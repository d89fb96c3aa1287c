"""Programs of the system that read what no library here does: LibreOffice and Tesseract."""

import ctypes
import io
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings

_PR_SET_PDEATHSIG = 1


def convert_office(content: bytes, kind: str, target: str, settings: ParseSettings) -> bytes:
    """An old office file as one of today, by LibreOffice. Raises DocumentError."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if not program:
        detail = f"{kind} needs LibreOffice (soffice), which is not installed. Install it or save the file as {target}."
        raise DocumentError("missing_tool", detail)
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, f"document.{kind}")
        given.write_bytes(content)
        profile = f"-env:UserInstallation={Path(folder, 'profile').as_uri()}"
        _run([program, profile, "--headless", "--convert-to", target, "--outdir", folder, str(given)], b"", settings)
        made = given.with_suffix(f".{target}")
        if not made.is_file():
            raise DocumentError("corrupt", f"LibreOffice cannot read the {kind}")
        return made.read_bytes()


def read_images(images: Iterable[Any], languages: Sequence[str], settings: ParseSettings, *, thing: str) -> list[str]:
    """The text of each image (of PIL), by Tesseract. Raises DocumentError."""
    program = shutil.which("tesseract")
    if not program:
        raise DocumentError("missing_tool", f"{thing}; reading them needs tesseract, which is not installed")
    texts = []
    for image in images:
        content = io.BytesIO()
        image.save(content, "PNG")
        given = content.getvalue()
        texts.append(_run([program, "-", "-", "-l", "+".join(languages)], given, settings).decode("utf-8", "replace"))
    return texts


def _run(command: list[str], given: bytes, settings: ParseSettings) -> bytes:
    """What a program says; it ends with its time, and with the process that started it."""
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, check=True, timeout=settings.timeout_seconds,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        detail = f"{Path(command[0]).name} took longer than {settings.timeout_seconds:g} seconds"
        raise DocumentError("timeout", detail) from None
    except subprocess.CalledProcessError as problem:
        said = " ".join(problem.stderr.decode("utf-8", "replace").split())[:200]
        raise DocumentError("corrupt", f"{Path(command[0]).name} cannot read it ({said})") from None
    return done.stdout


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
