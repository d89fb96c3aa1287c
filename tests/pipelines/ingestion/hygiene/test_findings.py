"""Which texts hold a secret or personal data, and which only look like it.

The secrets are put together here, so that no scanner of repositories takes them for real ones.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingestion.hygiene.findings import find

LETTERS = "q7Wm2Zt9Kx4Rb8Vn3Yc6Hd5Jf1Lg0PsAaEeUu"
WEB_TOKEN = ".".join(["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiJhbm5hIn0", LETTERS])

HELD = {
    "secret:private_key": ["-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7x9" + LETTERS],
    "secret:aws_key": ["aws: AKIA" + "QX5ZR2VN7KTM4WBD"],
    "secret:github_token": ["ghp_" + LETTERS[:36]],
    "secret:gitlab_token": ["glpat-" + LETTERS[:20]],
    "secret:slack_token": ["xoxb-" + LETTERS[:24], "https://hooks.slack.com/services/T0AB/B0CD/" + LETTERS[:24]],
    "secret:google_key": ["AIza" + LETTERS[:35]],
    "secret:stripe_key": ["sk_live_" + LETTERS[:24]],
    "secret:model_key": ["sk-proj-" + LETTERS[:36]],
    "secret:package_token": ["npm_" + LETTERS[:36]],
    "secret:jwt": ["Bearer " + WEB_TOKEN],
    "secret:login_in_url": ["postgresql://anna:h7Kq-2z@db.workshop.org/main"],
    "secret:assignment": ["password = 'h7Kq2zWm9'", "DB_PASSWORD: h7Kq2zWm9", "the API key is h7Kq2zWm9x"],
    "personal:email": ["write to anna.berg@workshop.de", "<anna+x@mail.workshop.co.uk>"],
    "personal:phone": ["+41 44 668 18 00", "(212) 736-5000", "Tel. 030 901820", "030 901820 (mobile)"],
    "personal:iban": ["DE12 5001 0517 0648 4898 90", "GB33BUKB20201555555555"],
    "personal:card": ["4485 2757 4230 8327", "card 4485275742308327."],
    "personal:ssn": ["His number is 514-69-0360."],
    "personal:ip": ["from 195.206.132.199", "at 2003:4041:c617:e898:c11:40d2:c669:2eb4"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in HELD.items() for text in texts])
def test_what_is_held_is_told(kind: str, text: str) -> None:
    assert find(text) == (kind,)


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",  # of the documentation of AWS
        "token: xxxxxxxxxxxxxxxxxxxx, password: your-password-1",
        "password: str | None = Field(default=None, max_length=128)",
        "SECRET_KEY = os.environ['SECRET_KEY']",
        "api_key: ${API_KEY_2}",
        "`mysql://user:password@host/database`",
        "postgresql://localhost:5432/main, http://host:8080/@team",
        "-----BEGIN CERTIFICATE-----\n" + LETTERS,
        "anna@example.com, you@yourdomain.com, git@github.com, @app.get, name@localhost",
        "192.168.0.1, 127.0.0.1, 203.0.113.7, 10.0.0.0/8, 8.8.8.8, ::1, requests==2.31.0.4",
        "12:30:45:10 on 2026-11-22, build 2026.11.22.104",
        "4242 4242 4242 4242",  # a test card of a payment service
        "4485 2757 4230 8328",  # the check digit is wrong
        "DE12 5001 0517 0648 4898 91",  # the checksum is wrong
        "123-45-6789, 987-65-4329, 000-12-3456",
        "order 030 901820, 1,234,567.89 in 2026/2027, ISBN 978-3-16-148410-0",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "",
    ],
)
def test_what_only_looks_like_it_is_not_told(text: str) -> None:
    assert find(text) == ()


def test_several_kinds_are_told_in_order_and_once() -> None:
    text = "anna@workshop.de, paul@workshop.de, +41 44 668 18 00, password=h7Kq2zWm9"
    assert find(text) == ("personal:email", "personal:phone", "secret:assignment")


@given(st.text(st.characters(categories=["Lu", "Ll", "Zs"])))
def test_words_alone_hold_nothing(text: str) -> None:
    assert find(text) == ()


@given(st.text(), st.sampled_from([(kind, text) for kind, texts in HELD.items() for text in texts]))
def test_text_around_hides_nothing(around: str, held: tuple[str, str]) -> None:
    assert held[0] in find(f"{around}\n\n{held[1]}\n\n{around}")
