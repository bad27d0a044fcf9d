"""What the warehouse refuses, in Redshift's words, and how a client gets to see it."""

from lambent.warehouse import wire

INTERNAL = "XX000"  # Redshift's code for most of its own errors
SYNTAX = "42601"
UNSUPPORTED = "0A000"
DENIED = "42501"


class Refused(Exception):
    """A statement that the platform refuses; it fails the client's transaction as any error does."""

    def __init__(self, words: str, code: str = INTERNAL, detail: str = "", hint: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.code = code
        self.detail = detail
        self.hint = hint

    @property
    def message(self) -> bytes:
        return wire.report("E", "ERROR", self.code, self.words, self.detail, self.hint)

    @property
    def sql(self) -> str:
        """A statement that fails with this error: PostgreSQL then keeps the transaction's books."""
        parts = {"MESSAGE": self.words, "ERRCODE": self.code, "DETAIL": self.detail, "HINT": self.hint}
        using = ", ".join(f"{name} = {literal(value)}" for name, value in parts.items() if value)
        body = f"BEGIN RAISE EXCEPTION USING {using}; END"
        return f"DO {literal(body)}"


def literal(value: str) -> str:
    """An SQL string that says `value`, whatever the session's settings."""
    quoted = value.replace("'", "''")
    return f"'{quoted}'" if "\\" not in value else "E'" + quoted.replace("\\", "\\\\") + "'"


def fatal(code: str, words: str, hint: str = "") -> bytes:
    return wire.report("E", "FATAL", code, words, hint=hint)
