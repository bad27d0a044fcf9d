"""Signed HTTP requests as bytes, made before a run so that signing costs the load generator nothing."""

from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for Lambda. A signature is good for five minutes."""

    host: str  # with the port
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def invoke(self, function: str, payload: bytes, *, stream: bool = False) -> bytes:
        """A synchronous Invoke, from the request line to the body's last byte."""
        path = f"/2015-03-31/functions/{function}/invocations"
        if stream:
            path = f"/2021-11-15/functions/{function}/response-streaming-invocations"
        request = AWSRequest("POST", f"http://{self.host}{path}", data=payload)
        request.headers["Host"] = self.host
        SigV4Auth(Credentials(self.access_key, self.secret_key), "lambda", self.region).add_auth(request)
        return raw("POST", path, dict(request.headers.items()), payload)


def raw(method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body
