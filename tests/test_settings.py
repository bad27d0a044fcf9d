"""Settings that are refused say what would do."""

from pathlib import Path

import pytest

from lambent.settings import BadSetting, load


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("LAMBENT_NETWORK", "bridge", "network must be auto, nat, host or none, not 'bridge'"),
        ("LAMBENT_ISOLATION", "docker", "isolation must be auto or process, not 'docker'"),
        ("LAMBENT_ALLOW_NETWORK", "10.1.0.0/16,10.0.0.1/8", "10.0.0.1/8 has host bits set"),
        ("LAMBENT_ALLOW_NETWORK", "intranet", "a network is written like 10.1.0.0/16"),
        ("LAMBENT_PORT", "many", "LAMBENT_PORT: port must be of type int, not 'many'"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, variable: str, value: str, told: str) -> None:
    with pytest.raises(BadSetting) as refused:
        load({"data": tmp_path}, {variable: value})
    assert told in str(refused.value)


def test_networks_are_a_list(tmp_path: Path) -> None:
    settings = load({"data": tmp_path, "allow_network": "10.1.0.0/16, fd12::/64,"}, {})
    assert settings.allowed_networks == ("10.1.0.0/16", "fd12::/64")
    assert settings.network == "auto"
