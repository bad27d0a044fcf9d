"""Returns the input."""

PARAMETERS = ("payload",)


def main(args):
    return args
