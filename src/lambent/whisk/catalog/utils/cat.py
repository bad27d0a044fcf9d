"""Concatenates input into a string."""

PARAMETERS = ("lines",)


def main(args):
    lines = args.get("lines") or []
    return {"lines": lines, "payload": "\n".join(map(str, lines))}
