"""Keys: given, found, made; sessions and passwords that need no state."""

import stat
from pathlib import Path

import pytest

from lambent.model.identity import Principal, PrincipalKind
from lambent.settings import BadSetting
from lambent.store.credentials import (
    Credentials,
    ExpiredToken,
    InvalidToken,
    load_or_create,
    parse,
    warehouse_user,
)

SECRET = b"0123456789abcdef"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def credentials(clock: Clock) -> Credentials:
    return Credentials(parse("KEY:secret,222233334444:x", "test"), SECRET, clock)


def test_static_keys_are_found_by_name(credentials: Credentials) -> None:
    found = credentials.find("KEY")
    assert found is not None
    assert (found.secret_key, found.principal) == ("secret", Principal(PrincipalKind.ROOT, "000000000000"))
    other = credentials.find("222233334444")
    assert other is not None
    assert other.principal.account == "222233334444"
    assert credentials.find("NONE") is None


def test_any_node_with_the_secret_finds_a_session(credentials: Credentials, clock: Clock) -> None:
    issued = credentials.issue("123456789012", "etl", "etl-1", 60)
    assert issued.access_key.startswith("ASIA")
    assert len(issued.access_key) == 20
    assert Credentials([], SECRET, clock).find(issued.access_key, issued.token) == issued
    assert issued.principal.arn == "arn:aws:sts::123456789012:assumed-role/etl/etl-1"
    assert credentials.find(issued.access_key) is None  # a session without its token is nobody


def test_a_session_ends(credentials: Credentials, clock: Clock) -> None:
    issued = credentials.issue("123456789012", "etl", "etl-1", 60)
    clock.now += 61
    with pytest.raises(ExpiredToken):
        credentials.find(issued.access_key, issued.token)


def test_a_token_cannot_be_altered_borrowed_or_used_for_something_else(credentials: Credentials) -> None:
    issued = credentials.issue("123456789012", "etl", "etl-1", 60)
    other = credentials.issue("123456789012", "etl", "etl-2", 60)
    assert issued.token is not None
    body, _, signature = issued.token.partition(".")
    password = credentials.password(issued.principal, 60)
    stranger = Credentials([], b"another secret").issue("123456789012", "etl", "etl-1", 60)
    for token in (f"{body}x.{signature}", f"{body}.", body, "", "ü.ü", other.token, password, stranger.token):
        with pytest.raises(InvalidToken):
            credentials.find(issued.access_key, token)
    with pytest.raises(InvalidToken):
        credentials.find("KEY", issued.token)


def test_passwords_open_the_warehouse_for_their_own_user(credentials: Credentials, clock: Clock) -> None:
    role = credentials.issue("123456789012", "etl", "etl-1", 60).principal
    root = Principal(PrincipalKind.ROOT, "123456789012")
    assert warehouse_user(role) == "IAM:etl"
    assert warehouse_user(root) == "awsuser"
    password = credentials.password(role, 60)
    assert credentials.check_password("IAM:etl", password) == role
    assert credentials.check_password("awsuser", credentials.password(root, 60)) == root
    assert credentials.check_password("awsuser", password) is None
    assert credentials.check_password("IAM:etl", password + "x") is None
    assert credentials.check_password("IAM:etl", "") is None
    clock.now += 61
    assert credentials.check_password("IAM:etl", password) is None


def test_a_first_start_makes_a_pair_that_stays(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    made = load_or_create(path, "")
    assert len(made) == 1
    assert made[0].principal.account == "000000000000"
    assert len(made[0].secret_key) == 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path, "") == made


def test_given_keys_are_in_force_and_in_the_file(tmp_path: Path) -> None:
    path, given = tmp_path / "credentials", tmp_path / "given"
    given.write_text("A_1:s1:123412341234\nB_1:s2\n")
    for text in (f"@{given}", "A_1:s1:123412341234,B_1:s2"):
        found = load_or_create(path, text)
        assert [(c.access_key, c.secret_key, c.principal.account) for c in found] == [
            ("A_1", "s1", "123412341234"),
            ("B_1", "s2", "000000000000"),
        ]
        assert load_or_create(path, "") == found


@pytest.mark.parametrize(
    "text", ["", "KEY", "KEY:", "K Y:s", "KEY:s:12", "KEY:s,KEY:t", "KEY:s:12345678901x"]
)
def test_what_is_no_credential_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadSetting, match="somewhere"):
        parse(text, "somewhere")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="none-here"):
        load_or_create(tmp_path / "credentials", f"@{tmp_path / 'none-here'}")


def test_errors_do_not_show_secrets() -> None:
    with pytest.raises(BadSetting) as caught:
        parse("KEY:topsecret:12", "somewhere")
    assert "topsecret" not in str(caught.value)
