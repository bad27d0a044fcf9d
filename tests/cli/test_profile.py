"""The profile is written beside what the user has, never over it."""

import stat
from pathlib import Path

import boto3
import pytest

from lambent.cli import profile

WRITTEN = {"url": "http://127.0.0.1:9000", "access_key": "AK", "secret_key": "SK", "region": "us-east-1"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def write(home: Path, **changed: str) -> tuple[Path, Path]:
    return profile.write(**{**WRITTEN, **changed}, environment={"HOME": str(home)})


def test_boto3_finds_the_node_by_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, credentials = write(home)
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    session = boto3.Session(profile_name="lambent")
    client = session.client("lambda")
    assert client.meta.endpoint_url == "http://127.0.0.1:9000"
    assert session.get_credentials().access_key == "AK"
    assert session.region_name == "us-east-1"


def test_only_the_owner_reads_the_keys(home: Path) -> None:
    for path in write(home):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_the_rest_of_the_file_stays_to_the_letter(home: Path, place: str) -> None:
    mine = "# my keys\n[default]\naws_access_key_id = MINE\n"
    work = "[work]\nrole_arn = x  # a note\n"
    old = "[lambent]\naws_access_key_id = OLD\n"
    parts = {"first": [old, mine, work], "middle": [mine, old, work], "last": [mine, work, old]}[place]
    (home / ".aws").mkdir()
    (home / ".aws" / "credentials").write_text("\n".join(parts))
    _, credentials = write(home)
    text = credentials.read_text()
    assert mine in text
    assert work in text
    assert "OLD" not in text
    assert text.count("[lambent]") == 1


def test_writing_again_changes_nothing_but_the_values(home: Path) -> None:
    config, _ = write(home)
    before = config.read_text()
    write(home)
    assert config.read_text() == before
    write(home, url="http://127.0.0.1:9001")
    assert config.read_text() == before.replace("9000", "9001")


def test_a_linked_file_stays_a_link(home: Path) -> None:
    (home / "dotfiles").write_text("[default]\nregion = eu-west-1\n")
    (home / ".aws").mkdir()
    (home / ".aws" / "config").symlink_to(home / "dotfiles")
    write(home)
    assert (home / ".aws" / "config").is_symlink()
    assert "profile lambent" in (home / "dotfiles").read_text()
