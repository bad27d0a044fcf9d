"""Returns the first lines."""


def main(args):
    number = int(args.get("num", 1))
    return {"lines": args.get("lines", [])[:number], "num": number}
