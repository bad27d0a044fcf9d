"""The environment variables of an instance."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from lambent.model.function import Version
from lambent.model.identity import Credential
from lambent.model.image import Image
from lambent.runtimes.start import IMAGE

ETC = {
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": (
        "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
    ),
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "LAMBDA_TASK_ROOT": "/var/task",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every function of this node finds around it, beyond AWS's own variables."""

    endpoint_url: str  # an IP literal, so that no resolver is needed
    extra: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict)  # the same, but of one instance alone


MODE = "_LAMBENT_SNAPSTART"  # what `runtimes/python/snapstart.py` is told by
LOG_STREAM = "AWS_LAMBDA_LOG_STREAM_NAME"
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
CREDENTIALS_URI = "http://127.0.0.1:9001/2021-04-23/credentials"
# A process with threads cannot be copied, and these libraries start some when they are imported.
NO_THREADS = {
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # pyarrow's
}


def own_part(full: Mapping[str, str], around: Surroundings) -> dict[str, str]:
    """What no other instance has of its environment, besides its credentials."""
    own = {name: value for name, value in around.secret.items() if full[name] == value}
    return {**own, LOG_STREAM: full[LOG_STREAM]}


def shared_part(full: Mapping[str, str], around: Surroundings, mode: str, token: str) -> dict[str, str]:
    """What others may begin with as well: no credentials, but where to ask for them."""
    own = {*own_part(full, around), *CREDENTIALS}
    told = {
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": CREDENTIALS_URI,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        MODE: mode,
    }
    return {name: value for name, value in {**NO_THREADS, **full, **told}.items() if name not in own}


def environment(
    version: Version, log_stream: str, credential: Credential, around: Surroundings, ahead: bool = False
) -> dict[str, str]:
    """Everything in the process's environment; what the user gave wins except over AWS's own names."""
    own = {
        "_HANDLER": version.handler,
        "AWS_LAMBDA_FUNCTION_NAME": version.key.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
        LOG_STREAM: log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency" if ahead else "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.runtime}",
        "AWS_REGION": version.key.region,
        "AWS_DEFAULT_REGION": version.key.region,
        "AWS_ACCESS_KEY_ID": credential.access_key,
        "AWS_SECRET_ACCESS_KEY": credential.secret_key,
        "AWS_SESSION_TOKEN": credential.token or "",
    }
    around_it = {"AWS_ENDPOINT_URL": around.endpoint_url, **around.extra, **around.secret}
    given = version.environment or {}
    if version.image is not None:
        around_it.pop("SSL_CERT_FILE", None)
        del own["AWS_EXECUTION_ENV"]
        return _of_image(version.image, {**around_it, **given}, own)
    return {**ETC, **around_it, **given, **own}


def _of_image(image: Image, given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """An image brings what a runtime sets elsewhere, and certificates of its own."""
    start = {
        "argv": image.argv,
        "folder": image.folder,
        "libraries": "LD_LIBRARY_PATH" in {**image.environment, **given},
    }
    handler = {"_HANDLER": next(iter(image.arguments), "")}
    described = {IMAGE: orjson.dumps(start).decode()}
    return {"PATH": ETC["PATH"], **image.environment, **given, **own, **handler, **described}
