"""Lambda's operations on layers, and the layers that a function names."""

from collections.abc import Callable
from typing import Any

from lambent.faces.aws_lambda_code import Sources
from lambent.faces.aws_lambda_pages import page
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.errors import InvalidParameter, NotFound
from lambent.model.function import Code, Layer
from lambent.model.layer import GET, LayerKey, LayerVersion, parse_version
from lambent.model.limits import LAYERS, UNZIPPED_BYTES
from lambent.model.timestamps import later_stamp
from lambent.store.layers import Layers
from lambent.store.packages import Packages

Members = dict[str, Any]

NO_RESOURCE = "The resource you requested does not exist."
TOO_MANY = f"Cannot reference more than {LAYERS} layers."
TWICE = (
    "Two different versions of the same layer are not allowed to be referenced in the same function. "
    "{} and {} are versions of the same layer."
)
ELSEWHERE = "Layers are not in the same region as the function. Layers are expected to be in region {}."
ABSENT = "Layer version {} does not exist."
TOO_LARGE = (
    f"Function code combined with layers exceeds the maximum allowed size of {UNZIPPED_BYTES} bytes. "
    "The actual size is {} bytes."
)


class LayerOperations:
    """One method an operation; keys are the service model's member names."""

    layers: Layers
    packages: Packages
    sources: Sources
    code_url: Callable[[Code], str]

    async def publish_layer_version(self, call: Call, given: Members) -> Members:
        new = LayerVersion(
            key=layer_key(call, given["LayerName"]),
            code=await self.packages.put(await self.sources.fetch(call.principal, given["Content"])),
            created_at=later_stamp(""),
            description=given.get("Description", ""),
            license_info=given.get("LicenseInfo"),
            runtimes=_tuple(given.get("CompatibleRuntimes")),
            architectures=_tuple(given.get("CompatibleArchitectures")),
        )
        return self._whole(await self.layers.publish(new))

    async def get_layer_version(self, call: Call, given: Members) -> Members:
        key = layer_key(call, given["LayerName"])
        return self._whole(self._read(call, key, checked(given["VersionNumber"])))

    async def get_layer_version_by_arn(self, call: Call, given: Members) -> Members:
        parsed = parse_version(given["Arn"])
        if parsed is None:
            raise NotFound(NO_RESOURCE)
        return self._whole(self._read(call, *parsed))

    async def delete_layer_version(self, call: Call, given: Members) -> Members:
        key = layer_key(call, given["LayerName"])
        if key.account != call.account:
            raise forbidden(call, f"{key.arn}:{given['VersionNumber']}", "lambda:DeleteLayerVersion")
        await self.layers.delete(key, checked(given["VersionNumber"]))
        return {}

    async def list_layer_versions(self, call: Call, given: Members) -> Members:
        wanted = given.get("CompatibleRuntime"), given.get("CompatibleArchitecture")
        found = self.layers.versions(layer_key(call, given["LayerName"]))
        versions = [v for v in found if v.fits(*wanted) and v.allows(call.account)]
        return page("LayerVersions", versions, given, position=_newest_first, show=_listed)

    async def list_layers(self, call: Call, given: Members) -> Members:
        wanted = given.get("CompatibleRuntime"), given.get("CompatibleArchitecture")
        fitting = [
            next((v for v in self.layers.versions(key) if v.fits(*wanted)), None)
            for key in self.layers.keys(call.account, call.region)
        ]
        return page(
            "Layers",
            [version for version in fitting if version is not None],
            given,
            position=lambda version: version.key.name,
            show=lambda version: {
                "LayerName": version.key.name,
                "LayerArn": version.key.arn,
                "LatestMatchingVersion": _listed(version),
            },
        )

    def referenced(self, call: Call, arns: list[str]) -> tuple[Layer, ...]:
        """The layers that a function names, each checked as AWS does, in its order."""
        if len(arns) > LAYERS:
            raise InvalidParameter(TOO_MANY)
        found: dict[str, Layer] = {}
        for arn in arns:
            parsed = parse_version(arn)
            if parsed and parsed[0].account == call.account and parsed[0].region != call.region:
                raise InvalidParameter(ELSEWHERE.format(call.region))
            version = self.layers.find(*parsed) if parsed else None
            if version is None:
                raise InvalidParameter(ABSENT.format(arn))
            if not version.allows(call.account):
                raise forbidden(call, arn)
            if (twin := found.get(version.key.arn)) is not None:
                raise InvalidParameter(TWICE.format(twin.arn, arn))
            found[version.key.arn] = Layer(arn, version.code)
        return tuple(found.values())

    async def check_size(self, code: Code, layers: tuple[Layer, ...]) -> None:
        """Raises `InvalidParameter` when a function and its layers are too large together."""
        if not layers:
            return
        parts = (code, *(layer.code for layer in layers))
        size = sum([await self.packages.unpacked_bytes(part) for part in parts])
        if size > UNZIPPED_BYTES:
            raise InvalidParameter(TOO_LARGE.format(size))

    def _read(self, call: Call, key: LayerKey, number: int) -> LayerVersion:
        version = self.layers.find(key, number)
        if version is None:
            raise NotFound(NO_RESOURCE)
        if not version.allows(call.account):
            raise forbidden(call, version.arn)
        return version

    def _whole(self, version: LayerVersion) -> Members:
        content = {
            "Location": self.code_url(version.code),
            "CodeSha256": version.code.sha256,
            "CodeSize": version.code.size,
        }
        return {"Content": content, "LayerArn": version.key.arn, **_listed(version)}


def layer_key(call: Call, name: str) -> LayerKey:
    """The layer that a name or an ARN means."""
    if name.startswith("arn:"):
        parts = name.split(":")
        return LayerKey(parts[4], parts[3], parts[6])
    return LayerKey(call.account, call.region, name)


def checked(number: int) -> int:
    if number < 1:
        raise InvalidParameter("Layer Version Cannot be less than 1")
    return number


def forbidden(call: Call, arn: str, action: str = GET) -> ServiceError:
    return ServiceError(
        "AccessDeniedException",
        f"User: {call.principal.arn} is not authorized to perform: {action} on resource: {arn} "
        f"because no resource-based policy allows the {action} action",
        403,
    )


def _listed(version: LayerVersion) -> Members:
    """What a list shows; what was never given is left out."""
    shape = {
        "LayerVersionArn": version.arn,
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": version.created_at,
        "CompatibleRuntimes": _list(version.runtimes),
        "CompatibleArchitectures": _list(version.architectures),
        "LicenseInfo": version.license_info,
    }
    return {name: value for name, value in shape.items() if value is not None}


def _newest_first(version: LayerVersion) -> str:
    return f"{10**12 - version.number:012d}"


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _list(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)
