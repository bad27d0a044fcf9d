"""The AWS profile `lambent` in the user's own files; what else stands in them stays as it is."""

import os
from collections.abc import Mapping
from pathlib import Path

PROFILE = "lambent"


def write(
    *, url: str, access_key: str, secret_key: str, region: str, environment: Mapping[str, str] = os.environ
) -> tuple[Path, Path]:
    """Put the profile into AWS's config and credentials files, whose paths are returned."""
    home = Path(environment.get("HOME") or Path.home()) / ".aws"
    config = Path(environment.get("AWS_CONFIG_FILE") or home / "config")
    credentials = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials")
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}
    place = {"endpoint_url": url, "region": region, "disable_host_prefix_injection": "true"}
    _put(config, f"profile {PROFILE}", place)
    _put(credentials, PROFILE, keys)
    return config, credentials


def _put(path: Path, section: str, values: Mapping[str, str]) -> None:
    """Write one section of the file, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    body = [f"[{section}]", *(f"{name} = {value}" for name, value in values.items())]
    target = path.resolve()  # the file may be a link into somebody's dotfiles
    partial = target.with_name(f".{target.name}.lambent")
    partial.touch(mode=0o600)
    partial.chmod(0o600)
    partial.write_text("\n".join(_with_section(lines, body)) + "\n")
    partial.replace(target)


def _with_section(lines: list[str], body: list[str]) -> list[str]:
    """`lines` with the section that `body` begins replaced, or added; the others are kept to the letter."""
    if body[0] not in lines:
        return [*lines, *([""] if lines and lines[-1] else []), *body]
    begin = lines.index(body[0])
    end = next((i for i in range(begin + 1, len(lines)) if lines[i].startswith("[")), len(lines))
    while end > begin + 1 and lines[end - 1].strip()[:1] in ("", "#", ";"):
        end -= 1  # comments before the next section are that section's
    return [*lines[:begin], *body, *lines[end:]]
