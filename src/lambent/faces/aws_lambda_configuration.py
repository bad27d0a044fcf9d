"""From what a caller gives to a version's configuration: AWS's limits, in AWS's words."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from lambent.model.errors import InvalidParameter
from lambent.model.function import Version
from lambent.model.interpreter import Interpreter
from lambent.model.limits import ENVIRONMENT_BYTES, MEMORY_MB, TIMEOUT_S, TMP_MB

Input = Mapping[str, Any]

PLAIN = {
    "Runtime": "runtime",
    "Handler": "handler",
    "Role": "role",
    "Description": "description",
    "Timeout": "timeout_s",
    "MemorySize": "memory_mb",
}
OF_ZIPS = {"Runtime", "Handler", "Layers"}
LIMITS = {
    "Timeout": ("timeout", TIMEOUT_S[1]),
    "MemorySize": ("MemorySize", MEMORY_MB[1]),
}
RESERVED_VARIABLES = {
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
}
# What would change how a function runs and is not done here: refused rather than ignored.
NOT_HERE = {
    "AcceleratorConfig": "functions get no graphics processors",
    "DurableConfig": "durable executions are not part of Lambent",
    "PublishTo": "$LATEST.PUBLISHED is for functions of capacity providers, which all run on this node",
    "RuntimeConfig": "there are no runtimes of customers' own; bring an image or layers",
}
SNAPSTART_TMP_MB = 512
KEPT = (
    "CapacityProviderConfig",
    "DeadLetterConfig",
    "FileSystemConfigs",
    "KMSKeyArn",
    "SnapStart",
    "VpcConfig",
)
_ENVIRONMENT = (
    "Lambda was unable to configure your environment variables because the environment variables "
    "you have provided "
)
_LEVELS = ("ApplicationLogLevel", "SystemLogLevel")


class Runtimes(Protocol):
    """The interpreters of this machine."""

    def get(self, runtime: str) -> Interpreter:
        """Raises `InvalidParameter` in AWS's words for one that is not here."""


class Configurations:
    """Checks what is given and puts it into a version; `architecture` is this machine's."""

    def __init__(self, runtimes: Runtimes, architecture: str) -> None:
        self._runtimes = runtimes
        self.architecture = architecture

    def check(self, given: Input) -> None:
        """Raises `InvalidParameter` for the first value that AWS or this version refuses."""
        _check_not_here(given)
        _check_limits(given)
        _check_environment(given.get("Environment", {}).get("Variables", {}))
        self.check_architecture(given)
        if "Runtime" in given:
            self._runtimes.get(given["Runtime"])

    def check_architecture(self, given: Input) -> None:
        for architecture in given.get("Architectures", ()):
            if architecture != self.architecture:
                raise InvalidParameter(
                    f"The architecture {architecture} is not available: "
                    f"this node runs {self.architecture} only."
                )

    def apply(self, version: Version, given: Input) -> Version:
        """The version with everything that is given in it; what is not given stays."""
        values: dict[str, Any] = {PLAIN[name]: given[name] for name in PLAIN if name in given}
        if version.image is not None:  # which has no use for a runtime and a handler
            given = {name: value for name, value in given.items() if name not in OF_ZIPS}
            values = {name: value for name, value in values.items() if name not in ("runtime", "handler")}
            config = given.get("ImageConfig", version.image.config)
            values["image"] = replace(version.image, config=config)
        elif given.get("ImageConfig"):
            raise InvalidParameter("ImageConfig goes with the PackageType Image only.")
        if "EphemeralStorage" in given:
            values["tmp_mb"] = given["EphemeralStorage"]["Size"]
        if "Environment" in given:
            values["environment"] = given["Environment"].get("Variables", {})
        if "TenancyConfig" in given:
            values["per_tenant"] = True  # PER_TENANT is the only mode
        if "TracingConfig" in given:
            values["tracing_mode"] = given["TracingConfig"].get("Mode", "PassThrough")
        kept = dict(version.kept)
        for name in KEPT:
            if name in given:
                _keep(kept, name, given[name])
        if "LoggingConfig" in given:
            logging = _logging(given["LoggingConfig"], kept.get("LoggingConfig", {}))
            values["own_log_group"] = logging.pop("LogGroup", version.own_log_group)
            _keep(kept, "LoggingConfig", logging)
        if "Runtime" in given:
            kept["RuntimeVersionConfig"] = self._runtime_version(given["Runtime"], version.key.region)
        after = replace(version, **values, kept=kept)
        _check_snapstart(after)
        return after

    def _runtime_version(self, runtime: str, region: str) -> dict[str, str]:
        interpreter = self._runtimes.get(runtime)
        digest = hashlib.sha256(f"{runtime} {interpreter.version}".encode()).hexdigest()
        return {"RuntimeVersionArn": f"arn:aws:lambda:{region}::runtime:{digest}"}


def _check_not_here(given: Input) -> None:
    for name, reason in NOT_HERE.items():
        if name in given:
            raise InvalidParameter(f"{name} is not supported by Lambent: {reason}. Leave it out.")


def _check_snapstart(version: Version) -> None:
    if version.kept.get("SnapStart", {}).get("ApplyOn", "None") == "None":
        return
    if version.per_tenant:  # nobody but one tenant may see what init leaves behind: nothing is made ahead
        raise InvalidParameter("SnapStart is not supported for functions with tenancy configuration.")
    if version.tmp_mb > SNAPSTART_TMP_MB:
        raise InvalidParameter(
            f"SnapStart does not support ephemeral storage greater than {SNAPSTART_TMP_MB} MB."
        )
    if version.kept.get("FileSystemConfigs"):
        raise InvalidParameter("SnapStart does not support file systems.")


def _check_limits(given: Input) -> None:
    for name, (words, most) in LIMITS.items():
        if name in given and given[name] > most:
            raise InvalidParameter(_too_much(words, most))
    if given.get("EphemeralStorage", {}).get("Size", 0) > TMP_MB[1]:
        raise InvalidParameter(_too_much("EphemeralStorage.Size", TMP_MB[1]))


def _too_much(words: str, most: int) -> str:
    return (
        f"'{words}' value failed to satisfy constraint: Member must have value less than or equal to {most}"
    )


def _check_environment(variables: Mapping[str, str]) -> None:
    if reserved := [name for name in variables if name in RESERVED_VARIABLES]:
        raise InvalidParameter(
            f"{_ENVIRONMENT}contains reserved keys that are currently not supported for "
            f"modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > ENVIRONMENT_BYTES:
        raise InvalidParameter(f"{_ENVIRONMENT}exceeded the 4KB limit. String measured: {measured}")


def _keep(kept: dict[str, Any], name: str, value: Any) -> None:
    """Keep a value in the form in which AWS shows it; an emptied one goes, but a VPC leaves its shell."""
    match name:
        case "VpcConfig":
            value = _vpc(value) if any(value.values()) or name in kept else None
        case "SnapStart":
            value = {"ApplyOn": value.get("ApplyOn", "None"), "OptimizationStatus": "Off"}
        case "DeadLetterConfig":
            value = value if value.get("TargetArn") else None
    if value:
        kept[name] = value
    else:
        kept.pop(name, None)


def _vpc(given: Input) -> dict[str, Any]:
    subnets = given.get("SubnetIds", [])
    made_up = hashlib.sha256(repr(sorted(subnets)).encode()).hexdigest()[:17]
    return {
        "SubnetIds": subnets,
        "SecurityGroupIds": given.get("SecurityGroupIds", []),
        "VpcId": f"vpc-{made_up}" if subnets else "",
        "Ipv6AllowedForDualStack": given.get("Ipv6AllowedForDualStack", False),
    }


def _logging(given: Input, before: Input) -> dict[str, Any]:
    logging = {**before, **given}
    if logging.setdefault("LogFormat", "Text") == "JSON":
        return {**dict.fromkeys(_LEVELS, "INFO"), **logging}
    if any(level in given for level in _LEVELS):
        raise InvalidParameter(
            'LogLevel is not supported when LogFormat is set to "Text". Remove LogLevel from your request or '
            'change the LogFormat to "JSON" and try again.'
        )
    return {name: value for name, value in logging.items() if name not in _LEVELS}
