"""Where notifications go besides Prefect's own blocks: a file, and any mail server.

Prefect's server finds these blocks by the entry point `prefect.collections` in pyproject.toml.
"""

import asyncio
import json
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

from prefect.blocks.abstract import NotificationBlock, NotificationError
from pydantic import Field, SecretStr


class FileNotification(NotificationBlock):
    """Appends each notification to a file, one JSON object a line."""

    _block_type_name = "Plumbline file"
    _block_type_slug = "plumbline-file"

    path: str = Field(description="The file that notifications are appended to.")

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Append one line. Raises NotificationError when the file cannot be written."""
        row = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "subject": subject, "body": body}
        try:
            with Path(self.path).open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as problem:
            raise NotificationError(f"{self.path}: {problem.strerror}") from None


class MailNotification(NotificationBlock):
    """Sends each notification as a mail, over `smtp://`, `smtp+starttls://` or `smtps://`."""

    _block_type_name = "Plumbline mail"
    _block_type_slug = "plumbline-mail"

    server: SecretStr = Field(
        description="smtp[+starttls]://[user:password@]host[:port], or smtps://… for TLS at once."
    )
    sender: str = Field(description="The sender's address.")
    to: list[str] = Field(description="Who gets the mail.", min_length=1)

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Send one mail. Raises NotificationError with the mail server's word."""
        mail = EmailMessage()
        mail["Subject"] = " ".join((subject or "plumbline").split())
        mail["From"], mail["To"] = self.sender, ", ".join(self.to)
        mail.set_content(body)
        await asyncio.to_thread(self._send, mail)

    def _send(self, mail: EmailMessage) -> None:
        place = urlsplit(self.server.get_secret_value())
        client = smtplib.SMTP_SSL if place.scheme == "smtps" else smtplib.SMTP
        try:
            with client(place.hostname or "", place.port or 0, timeout=30) as server:
                if place.scheme == "smtp+starttls":
                    server.starttls()
                if place.username:
                    server.login(unquote(place.username), unquote(place.password or ""))
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as problem:
            raise NotificationError(f"mail server {place.hostname}: {problem}") from None
