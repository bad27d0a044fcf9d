"""A version as AWS shows it: the FunctionConfiguration shape."""

from typing import Any

from lambent.model.function import Version

# Not in lists, only where one version is asked for.
STATE_MEMBERS = (
    "State",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "RuntimeVersionConfig",
)
NO_SNAPSTART = {"ApplyOn": "None", "OptimizationStatus": "Off"}
SNAPSTART = {"SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}}


def configuration(version: Version, arn: str) -> dict[str, Any]:
    """Everything about one version, under the ARN that fits the way it was asked for."""
    shape: dict[str, Any] = {
        "FunctionName": version.key.name,
        "FunctionArn": arn,
        "Runtime": version.runtime or None,
        "Role": version.role,
        "Handler": version.handler or None,
        "CodeSize": version.code.size,
        "Description": version.description,
        "Timeout": version.timeout_s,
        "MemorySize": version.memory_mb,
        "LastModified": version.last_modified,
        "CodeSha256": version.code.sha256,
        "Version": version.version,
        "Environment": None if version.environment is None else {"Variables": dict(version.environment)},
        "TracingConfig": {"Mode": version.tracing_mode},
        "RevisionId": version.revision_id,
        "TenancyConfig": {"TenantIsolationMode": "PER_TENANT"} if version.per_tenant else None,
        "Layers": [{"Arn": layer.arn, "CodeSize": layer.code.size} for layer in version.layers] or None,
        "PackageType": "Image" if version.image else "Zip",
        "ImageConfigResponse": (
            {"ImageConfig": dict(version.image.config)} if version.image and version.image.config else None
        ),
        "Architectures": [version.architecture],
        "EphemeralStorage": {"Size": version.tmp_mb},
        "SnapStart": NO_SNAPSTART,
        **version.kept,
        "SourceKMSKeyArn": None,  # GetFunction shows it, beside the code
        **(SNAPSTART if version.snapstart else {}),
        "LoggingConfig": {
            "LogFormat": "Text",
            **version.kept.get("LoggingConfig", {}),
            "LogGroup": version.log_group,
        },
        **_state(version),
    }
    return {name: value for name, value in shape.items() if value is not None}


def listed(version: Version, arn: str) -> dict[str, Any]:
    """A version in a list, which leaves its state out."""
    shape = configuration(version, arn)
    return {name: value for name, value in shape.items() if name not in STATE_MEMBERS}


def _state(version: Version) -> dict[str, Any]:
    state, update = version.state_reason, version.update_reason
    return {
        "State": version.state.value,
        "StateReason": state and state.text,
        "StateReasonCode": state and state.code,
        "LastUpdateStatus": version.update_status and version.update_status.value,
        "LastUpdateStatusReason": update and update.text,
        "LastUpdateStatusReasonCode": update and update.code,
    }
