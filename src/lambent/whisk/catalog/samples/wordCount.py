"""Counts words."""


def main(args):
    count = len(str(args.get("payload", "")).split())
    print(f"The message had {count} words")
    return {"count": count}
