"""Count words in a string."""

PARAMETERS = ("payload",)


def main(args):
    payload = str(args.get("payload", ""))
    count = len(payload.split())
    print(f"The message '{payload}' has {count} words")
    return {"count": count}
