"""What S3 refuses, with its codes and words."""

from lambent.model.errors import PlatformError


class S3Error(PlatformError):
    """An error as S3 answers it; `fields` become elements beside Code and Message."""

    def __init__(self, code: str, message: str, status: int = 400, **fields: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.fields = fields


def access_denied() -> S3Error:
    return S3Error("AccessDenied", "Access Denied", 403)


def no_such_bucket(name: str) -> S3Error:
    return S3Error("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=name)


def invalid_argument(message: str, name: str, value: str) -> S3Error:
    return S3Error("InvalidArgument", message, 400, ArgumentName=name, ArgumentValue=value)


def not_implemented(what: str) -> S3Error:
    return S3Error("NotImplemented", f"{what} is not implemented.", 501)


def malformed_xml() -> S3Error:
    return S3Error(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


def slow_down(message: str = "Please reduce your request rate.") -> S3Error:
    return S3Error("SlowDown", message, 503)


def unavailable(message: str) -> S3Error:
    return S3Error("ServiceUnavailable", message, 503)
