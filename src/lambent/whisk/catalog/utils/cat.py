"""Puts lines together into one text."""


def main(args):
    return {"payload": "\n".join(map(str, args.get("lines", [])))}
