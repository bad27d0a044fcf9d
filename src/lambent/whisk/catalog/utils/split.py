"""Cuts a text into lines."""


def main(args):
    payload = str(args.get("payload", ""))
    return {"lines": payload.split(args.get("separator") or "\n"), "payload": payload}
