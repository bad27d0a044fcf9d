"""Lambda's operations on functions and their versions."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from lambent.events.roles import Roles
from lambent.faces.aws_lambda_capacity import CapacityOperations
from lambent.faces.aws_lambda_code_signing import CodeSigningOperations
from lambent.faces.aws_lambda_configuration import Configurations
from lambent.faces.aws_lambda_images import Bringing, is_image, keyed
from lambent.faces.aws_lambda_layers import LayerOperations
from lambent.faces.aws_lambda_pages import UNREADABLE_MARKER, limit, pack, unpack
from lambent.faces.aws_lambda_shapes import configuration, listed
from lambent.faces.aws_lambda_tags import check_tags
from lambent.faces.aws_lambda_targets import resolve, resolve_function
from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter
from lambent.model.function import Version
from lambent.model.limits import NAME_CHARACTERS
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.model.queue import parse_queue_arn
from lambent.store.function_settings import Kind
from lambent.store.functions import check_revision

Members = dict[str, Any]

NUMBER_DIGITS = 18  # of a version, in a marker that somebody else made
NO_DEAD_LETTERS = (
    "The provided dead-letter target {} is not supported: use a standard SQS queue. SNS topics are not part "
    "of Lambent."
)


class FunctionOperations(Bringing, LayerOperations, CodeSigningOperations, CapacityOperations):
    """One method an operation; keys are the service model's member names."""

    configurations: Configurations
    roles: Roles

    async def create_function(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        _check_name(key)
        self.configurations.check(given)
        of_image = is_image(given)
        check_tags(given.get("Tags", {}))
        self._check_references(call, given)
        self.roles.check_trust(key, given["Role"])
        layers = () if of_image else self.referenced(call, given.get("Layers", []))
        code, image = await self.brought(call, given["Code"], of_image)
        await self.check_size(code, layers)
        new = Version(
            key=key,
            code=code,
            image=image,
            runtime="" if of_image else given["Runtime"],
            handler="" if of_image else given["Handler"],
            role=given["Role"],
            architecture=self.configurations.architecture,
            layers=layers,
        )
        new = keyed(self.configurations.apply(new, given), given["Code"])
        self._check_dead_letters(new)
        version = await self.functions.create(
            new,
            publish=given.get("Publish", False),
            tags=given.get("Tags"),
        )
        if "CodeSigningConfigArn" in given:
            await self.sign(key, given["CodeSigningConfigArn"])
        return configuration(version, key.arn)

    async def get_function(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        version = self.functions.described(target)
        answer: Members = {
            "Configuration": configuration(version, target.arn),
            "Code": self.location(version),
        }
        if tags := self.functions.function(target.key).tags:
            answer["Tags"] = dict(tags)
        if reserved := self.settings.get(Kind.RESERVED, Target(target.key)):
            answer["Concurrency"] = {"ReservedConcurrentExecutions": reserved["count"]}
        return answer

    async def get_function_configuration(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        return configuration(self.functions.described(target), target.arn)

    async def list_functions(self, call: Call, given: Members) -> Members:
        name, number = _read_marker(given.get("Marker"))
        every = given.get("FunctionVersion") == "ALL"
        versions = self._versions_from(call, name, number, every)
        page = list(islice(versions, limit(given)))
        shapes = [listed(v, v.qualified_arn if every else v.key.arn) for v in page]
        return _paged("Functions", shapes, page, versions)

    async def list_versions_by_function(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        _, number = _read_marker(given.get("Marker"))
        versions = self._versions_of(key, number)
        page = list(islice(versions, limit(given)))
        return _paged("Versions", [listed(v, v.qualified_arn) for v in page], page, versions)

    async def update_function_code(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        now = self.functions.function(key).latest
        self.configurations.check(given)
        code, image = await self.brought(call, given, now.image is not None)
        if image and now.image:
            image = replace(image, config=now.image.config)
        await self.check_size(code, now.layers)
        if given.get("DryRun"):
            latest = self.functions.function(key).latest
            check_revision(latest, given.get("RevisionId"), "GetFunction/GetAlias")
            return configuration(replace(latest, code=code, image=image), key.arn)
        version = await self.functions.update(
            key,
            lambda before: keyed(replace(before, code=code, image=image), given),
            revision_id=given.get("RevisionId"),
            publish=given.get("Publish", False),
        )
        return configuration(version, version.arn)

    async def update_function_configuration(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        now = self.functions.function(key).latest
        self.configurations.check(given)
        self._check_references(call, given)
        if "Role" in given:
            self.roles.check_trust(key, given["Role"])
        named = "Layers" in given and now.image is None
        layers = self.referenced(call, given["Layers"]) if named else now.layers
        await self.check_size(now.code, layers)
        self._check_dead_letters(self.configurations.apply(now, given))
        version = await self.functions.update(
            key,
            lambda before: replace(self.configurations.apply(before, given), layers=layers),
            revision_id=given.get("RevisionId"),
        )
        return configuration(version, version.arn)

    async def publish_version(self, call: Call, given: Members) -> Members:
        key = resolve_function(call, given["FunctionName"])
        self.configurations.check(given)
        version = await self.functions.publish(
            key,
            description=given.get("Description"),
            code_sha256=given.get("CodeSha256") or None,
            revision_id=given.get("RevisionId"),
        )
        return configuration(version, version.qualified_arn)

    async def delete_function(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        if target.qualifier is None:
            await self.functions.delete(target.key)
        elif target.qualifier == LATEST:
            raise InvalidParameter("$LATEST version cannot be deleted without deleting the function.")
        elif not target.qualifier.isdecimal():
            raise InvalidParameter("Deletion of aliases is not currently supported.")
        else:
            await self.functions.delete_version(target.key, target.qualifier)
        return {"StatusCode": 204}

    def _check_references(self, call: Call, given: Members) -> None:
        """What is named besides code and layers has to be there."""
        self.check_capacity_provider(call, given.get("CapacityProviderConfig", {}))
        if "CodeSigningConfigArn" in given:
            self.check_signing_config(given["CodeSigningConfigArn"])

    def _check_dead_letters(self, version: Version) -> None:
        arn = version.kept.get("DeadLetterConfig", {}).get("TargetArn")
        if arn is None:
            return
        queue = parse_queue_arn(arn)
        if queue is None or queue.name.endswith(".fifo"):
            raise InvalidParameter(NO_DEAD_LETTERS.format(arn))
        self.roles.check_dead_letters(version, arn)

    def _versions_from(self, call: Call, name: str, number: int, every: bool) -> Iterator[Version]:
        """The account's functions behind a position; with `every` all their versions."""
        begun = FunctionKey(call.account, call.region, name)
        if every and self.functions.exists(begun):
            yield from self._versions_of(begun, number)
        for behind in self.functions.names(call.account, call.region, after=name):
            key = FunctionKey(call.account, call.region, behind)
            if every:
                yield from self._versions_of(key)
            else:
                yield self.functions.function(key).latest

    def _versions_of(self, key: FunctionKey, after: int = -1) -> Iterator[Version]:
        """$LATEST and then the numbered versions, those behind a number."""
        function = self.functions.function(key)
        if after < 0:
            yield function.latest
        for number, version in function.published.items():
            if int(number) > after:
                yield version


def _check_name(key: FunctionKey) -> None:
    if len(key.name) > NAME_CHARACTERS:
        raise InvalidParameter(
            f"1 validation error detected: Value '{key.name}' at 'functionName' failed to satisfy "
            f"constraint: Member must have length less than or equal to {NAME_CHARACTERS}"
        )


def _paged(name: str, shapes: list[Members], page: list[Version], rest: Iterator[Version]) -> Members:
    if next(rest, None) is None:
        return {name: shapes}
    last = page[-1]
    number = "0" if last.version == LATEST else last.version
    return {name: shapes, "NextMarker": pack(f"{last.key.name}:{number}")}


def _read_marker(marker: str | None) -> tuple[str, int]:
    """Behind which function and version a page begins."""
    if not marker:
        return "", -1
    name, _, number = unpack(marker).rpartition(":")
    if not number.isdecimal() or len(number) > NUMBER_DIGITS:
        raise InvalidParameter(UNREADABLE_MARKER)
    return name, int(number)
