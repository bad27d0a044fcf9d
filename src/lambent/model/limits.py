"""AWS Lambda's documented quotas, which are ours unless a comment says otherwise."""

MIB = 1024 * 1024

SYNC_PAYLOAD_BYTES = 6 * MIB
ASYNC_PAYLOAD_BYTES = 1 * MIB
RESPONSE_PAYLOAD_BYTES = 6 * MIB + 100  # AWS's own figure: 6,291,556
STREAM_BYTES = 200 * MIB
STREAM_FREE_BYTES = 6 * MIB  # of a streamed answer, sent as fast as it is taken
STREAM_BYTES_PER_S = 2 * MIB  # beyond them
CLIENT_CONTEXT_BYTES = 3583
ZIP_BYTES = 52_428_800
UNZIPPED_BYTES = 262_144_000
IMAGE_BYTES = 10 * 1024**3
REQUEST_BYTES = 70_167_211
ENVIRONMENT_BYTES = 4096
NAME_CHARACTERS = 64
LAYERS = 5
LOG_TAIL_BYTES = 4096

TIMEOUT_S = (1, 900)
MEMORY_MB = (128, 10_240)
TMP_MB = (512, 10_240)
INIT_TIMEOUT_S = 10.0
SNAPSTART_INIT_TIMEOUT_S = 130.0  # or the function's own, if that is longer
RESTORE_TIMEOUT_S = 10.0

ACCOUNT_CONCURRENCY = 1000
UNRESERVED_CONCURRENCY = 100  # what functions cannot have for themselves
ACCOUNT_CODE_BYTES = 80_530_636_800  # shown; the disk is the limit here
ASYNC_RETRIES = 2
ASYNC_RETRY_DELAYS_S = (60.0, 120.0)
ASYNC_AGE_S = 6 * 3600

ONE_CORE_MB = 1769  # the memory that buys one vCPU

LOG_EVENT_BYTES = 256 * 1024  # CloudWatch's limit for one log event
LOG_BYTES_PER_INVOCATION = 10 * MIB  # ours: what is beyond is dropped and counted
