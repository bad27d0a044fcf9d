"""Demonstrates logging facilities."""

PARAMETERS = ("payload",)


def main(args):
    print("hello {}!".format(args.get("payload", "world")))
    return {}
