"""Sorts an array."""

PARAMETERS = ("lines",)


def main(args):
    lines = sorted(args.get("lines") or [], key=str)  # numbers too, as JavaScript has it
    return {"lines": lines, "length": len(lines)}
