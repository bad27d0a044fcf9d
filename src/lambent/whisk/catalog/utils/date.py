"""Current date and time."""

import datetime

PARAMETERS = ()


def main(args):
    now = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017  a runtime may be older than datetime.UTC
    print(f"It is now {now:%a %b %d %Y %H:%M:%S} GMT+0000 (UTC)")
    return {"date": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}Z"}
