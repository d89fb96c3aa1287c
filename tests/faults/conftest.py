"""The real client, as a user would set it, without its own retries."""

import pytest
from asked import prompt
from openai import OpenAI


@pytest.fixture(scope="session")
def _client(_fault_server):
    with OpenAI(base_url=_fault_server.base_url, api_key="any", max_retries=0, timeout=5) as client:
        yield client


@pytest.fixture
def client(fault_server, _client):
    return _client


@pytest.fixture
def ask(client):
    """The reply to a question about two passages, as the client gives it."""

    def ask(question="Within how many days is an annual plan refunded?", *, model="gpt-4o-mini", **options):
        return client.chat.completions.create(model=model, messages=prompt(question), **options)

    return ask


@pytest.fixture
def say(ask):
    """The text of that reply."""
    return lambda *words, **options: ask(*words, **options).choices[0].message.content
