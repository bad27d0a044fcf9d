"""Returns the date and the time."""

import time


def main(args):
    return {"date": time.strftime("%a %b %d %Y %H:%M:%S GMT+0000 (UTC)", time.gmtime())}
