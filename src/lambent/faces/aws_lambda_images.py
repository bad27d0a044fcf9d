"""The code of a function, brought as a zip or as a container image, and how AWS shows which it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lambent.faces.aws_lambda_code import Sources
from lambent.faces.call import Call
from lambent.images.images import Images
from lambent.model.errors import InvalidParameter
from lambent.model.function import Code, Version
from lambent.model.image import Image
from lambent.store.packages import Packages

Members = dict[str, Any]

KMS_KEY = "SourceKMSKeyArn"
NO_HANDLER = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
NO_URI = "Please provide ImageUri when updating a function with packageType Image."


class Bringing:
    """What the operations on functions need of it."""

    packages: Packages
    images: Images
    sources: Sources
    code_url: Callable[[Code], str]

    async def brought(self, call: Call, given: Members, of_image: bool) -> tuple[Code, Image | None]:
        """The code that is given, unpacked. Raises `InvalidParameter`."""
        if not of_image:
            return await self.packages.put(await self.sources.fetch(call.principal, given)), None
        if not given.get("ImageUri"):
            raise InvalidParameter(NO_URI)
        return await self.images.put(given["ImageUri"])

    def location(self, version: Version) -> Members:
        if version.image is None:
            key = version.kept.get(KMS_KEY)
            place = {"RepositoryType": "S3", "Location": self.code_url(version.code)}
            return {**place, KMS_KEY: key} if key else place
        return {
            "RepositoryType": "ECR",
            "ImageUri": version.image.uri,
            "ResolvedImageUri": version.image.resolved_uri,
        }


def keyed(version: Version, given: Members) -> Version:
    """With the key that the package is to be encrypted with, which is shown beside the code only."""
    kept = {name: value for name, value in version.kept.items() if name != KMS_KEY}
    return replace(version, kept={**kept, KMS_KEY: given[KMS_KEY]} if given.get(KMS_KEY) else kept)


def is_image(given: Members) -> bool:
    """Raises `InvalidParameter` for a zip without what runs it."""
    if given.get("PackageType") == "Image":
        return True
    if "Runtime" not in given or "Handler" not in given:
        raise InvalidParameter(NO_HANDLER)
    return False
