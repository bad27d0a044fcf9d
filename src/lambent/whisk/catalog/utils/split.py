"""Split a string into an array."""

import re

PARAMETERS = ("payload", "separator")


def main(args):
    payload = str(args.get("payload", ""))
    separator = args.get("separator")
    return {
        "lines": payload.split(separator) if separator else re.split(r"\r?\n", payload),
        "payload": payload,
    }
