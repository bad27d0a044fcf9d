"""Print the parameters to the console, sorted alphabetically by key."""

PARAMETERS = ()


def main(args):
    params = dict(sorted(args.items()))
    for name, value in params.items():
        print(f"{name} = {value}")
    return {"params": params}
