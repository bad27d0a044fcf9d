"""Greets the log."""


def main(args):
    print("hello {}!".format(args.get("payload", "world")))
    return {}
