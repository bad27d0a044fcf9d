"""Sorts lines."""


def main(args):
    lines = sorted(args.get("lines", []))
    return {"lines": lines, "length": len(lines)}
