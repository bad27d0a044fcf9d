"""What OpenWhisk refuses: a status and a text, which its face puts into its own form."""


class Refusal(Exception):
    """A request that is not granted, in OpenWhisk's words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


NO_KEY = "The resource requires authentication, which was not supplied with the request"
NOT_FOUND = "The requested resource does not exist."
WRONG_COLLECTION = "Resource by this name exists but is not in this collection."
EXISTS = "resource already exists"
NOT_ALLOWED = "Request defines parameters that are not allowed (e.g., reserved properties)."


def not_found() -> Refusal:
    return Refusal(404, NOT_FOUND)


def malformed(message: str) -> Refusal:
    """A body that is not what it should be."""
    return Refusal(400, f"The request content was malformed:\n{message}")


def malformed_query(name: str, message: str) -> Refusal:
    """A parameter of the query that cannot be read."""
    return Refusal(400, f"The query parameter '{name}' was malformed:\n{message}")


def forbidden(resource: str) -> Refusal:
    return Refusal(403, f"The supplied authentication is not authorized to access '{resource}'.")
