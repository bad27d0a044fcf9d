"""A registry, by the distribution specification: manifests and blobs over HTTP, behind its own tokens."""

import base64
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import IO
from urllib.parse import urlencode

from lambent.images.layout import digest_of
from lambent.images.reference import Reference
from lambent.images.source import DOCUMENT_BYTES, BadImage, parsed, verify

TIMEOUT_S = 60.0
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
PLAIN = re.compile(r"(localhost|127\.[0-9.]+|\[::1\])(:\d+)?")  # without TLS, as every client does it
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Registry:
    """One image of a registry. `logins` has user:password in base64 by host."""

    def __init__(self, reference: Reference, logins: Mapping[str, str]) -> None:
        self._reference = reference
        self._login = logins.get(reference.place)
        scheme = "http" if PLAIN.fullmatch(reference.place) else "https"
        self._base = f"{scheme}://{reference.place}/v2/{reference.name}"
        self._authorization = ""

    def root(self) -> bytes:
        return self._manifest(self._reference.digest or self._reference.tag)

    def blob(self, digest: str) -> IO[bytes]:
        return self._open(f"{self._base}/blobs/{digest}", {})

    def manifest(self, digest: str) -> IO[bytes]:
        return self._open(f"{self._base}/manifests/{digest}", {"Accept": ", ".join(MANIFESTS)})

    def close(self) -> None:
        """Each answer is closed by itself."""

    def _manifest(self, name: str) -> bytes:
        with self.manifest(name) as answer:
            content = answer.read(DOCUMENT_BYTES)
        if name.startswith("sha256:"):
            verify(name, digest_of(content).partition(":")[2])
        return content

    def _open(self, url: str, headers: Mapping[str, str]) -> IO[bytes]:
        try:
            return self._ask(url, headers)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 401 or self._authorization:
                    raise self._refusal(error) from None
                self._authorization = self._authorize(error.headers.get("WWW-Authenticate", ""))
        except (OSError, HTTPException) as error:
            raise BadImage(f"the registry {self._reference.place} cannot be reached: {error}") from None
        try:
            return self._ask(url, headers)
        except (OSError, HTTPException) as error:
            raise self._refusal(error) from None

    def _ask(self, url: str, headers: Mapping[str, str]) -> IO[bytes]:
        request = urllib.request.Request(url, headers=dict(headers))
        if self._authorization:  # for the registry, and not for where it leads to
            request.add_unredirected_header("Authorization", self._authorization)
        answer: IO[bytes] = urllib.request.urlopen(request, timeout=TIMEOUT_S)
        return answer

    def _authorize(self, challenge: str) -> str:
        """What the registry wants to see: a token from the place that it names, or the login itself."""
        basic = f"Basic {self._login}" if self._login else ""
        kind, _, rest = challenge.partition(" ")
        if kind.lower() != "bearer":
            return basic
        asked = dict(_CHALLENGE.findall(rest))
        realm = asked.pop("realm", "")
        if not realm.startswith(("https://", "http://")):
            raise BadImage(f"the registry {self._reference.place} asks for a token and does not say where")
        request = urllib.request.Request(f"{realm}?{urlencode(asked)}")
        if basic:
            request.add_unredirected_header("Authorization", basic)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                told = parsed(answer.read(DOCUMENT_BYTES))
        except (OSError, HTTPException) as error:
            raise self._refusal(error) from None
        return f"Bearer {told.get('token') or told.get('access_token')}"

    def _refusal(self, error: Exception) -> BadImage:
        reference = self._reference
        if isinstance(error, urllib.error.HTTPError) and error.code == 404:
            return BadImage(
                f"Source image {reference.place}/{reference.name}:{reference.digest or reference.tag} "
                "does not exist. Provide a valid source image."
            )
        return BadImage(f"the registry {reference.place} refuses the image: {error}")


def logins(config: bytes) -> dict[str, str]:
    """Those of a file in the form of docker's config.json."""
    found = json.loads(config).get("auths", {})
    return {host: _checked(host, entry.get("auth", "")) for host, entry in found.items()}


def _checked(host: str, auth: str) -> str:
    base64.b64decode(auth, validate=True)
    return auth
