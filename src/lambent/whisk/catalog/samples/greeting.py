"""Returns a friendly greeting."""

PARAMETERS = ("name", "place")


def main(args):
    print("params:", args)
    name = args.get("name") or args.get("payload") or "stranger"
    return {"payload": f"Hello, {name} from {args.get('place') or 'somewhere'}!"}
