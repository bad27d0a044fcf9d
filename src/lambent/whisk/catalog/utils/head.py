"""Extract prefix of an array."""

PARAMETERS = ("lines", "num")


def main(args):
    number = int(args.get("num") or 1)
    return {"lines": (args.get("lines") or [])[:number], "num": number}
