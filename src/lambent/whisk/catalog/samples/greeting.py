"""Greets whoever is named."""


def main(args):
    name, place = args.get("name") or "stranger", args.get("place") or "somewhere"
    return {"payload": f"Hello, {name} from {place}!"}
