"""Returns namespace for the authorization key used to invoke this action."""

import os

PARAMETERS = ()


def main(args):
    return {"namespace": os.environ["__OW_NAMESPACE"]}
