"""Keys and passwords of the environment, and addresses that files name."""

import pytest

from retclip.config import load
from retclip.errors import ConfigError

SERVED = '[store]\nindex = "server"\nqdrant_url = "https://theirs.example"\n'


def test_a_key_of_the_environment_goes_to_no_address_that_a_file_names(toml, monkeypatch):
    """The file may come with a store that somebody else made."""
    load(toml(SERVED))
    monkeypatch.setenv("RETCLIP_STORE__QDRANT_API_KEY", "mine")
    with pytest.raises(ConfigError, match=r"theirs\.example.*set RETCLIP_STORE__QDRANT_URL") as caught:
        load(toml(SERVED))
    assert "mine" not in str(caught.value)
    load(toml(SERVED), {"store": {"qdrant_url": "https://mine.example"}})
    load(toml(SERVED), {"store": {"qdrant_api_key": "said with this very command"}})
    load(toml(SERVED), {"store": {"index": "edge"}})  # no server is asked
    monkeypatch.setenv("RETCLIP_STORE__QDRANT_URL", "https://mine.example")
    assert load(toml(SERVED)).store.qdrant_url == "https://mine.example"


def test_a_key_beside_its_address_in_a_file_is_the_file_s_own(toml):
    found = load(toml(SERVED + 'qdrant_api_key = "theirs"\n'))
    assert found.store.qdrant_api_key.get_secret_value() == "theirs"


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("postgresql+psycopg://ann@theirs.example/db", True),
        ("postgresql+psycopg://theirs.example/db", True),
        ("postgresql+psycopg://ann:@theirs.example/db", True),
        ("postgresql+psycopg://theirs.example:5432/db?application_name=a@b", True),
        ("postgresql+psycopg:///db?host=theirs.example", True),
        ("postgresql+psycopg:///db", False),  # PGHOST of the environment, or this machine's socket
        ("postgresql+psycopg://ann:own@theirs.example/db", False),
        ("sqlite:////tmp/catalog.sqlite", False),
    ],
)
def test_nor_does_a_password_of_the_environment(toml, monkeypatch, url, refused):
    text = f'[store]\ndatabase = "{url}"\n'
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    if refused:
        with pytest.raises(ConfigError, match="PGPASSWORD") as caught:
            load(toml(text))
        assert "hunter2" not in str(caught.value) and "theirs" not in str(caught.value)
        load(toml(text), {"store": {"database": url}})
        monkeypatch.setenv("RETCLIP_STORE__DATABASE", url)
    assert load(toml(text)).store.database.get_secret_value() == url
