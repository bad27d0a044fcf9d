"""Lambda's operations on function URLs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lambent.faces.aws_lambda_pages import page
from lambent.faces.aws_lambda_targets import resolve, resolve_function
from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter
from lambent.model.function_url import BUFFERED, FunctionUrl, new_url_id
from lambent.store.functions import Functions
from lambent.store.urls import Urls

Members = dict[str, Any]

PER_TENANT = "Function URLs are not supported for functions with tenancy configuration."


class UrlOperations:
    """One method an operation; keys are the service model's member names."""

    functions: Functions
    urls: Urls
    url_address: Callable[[FunctionUrl], str]

    async def create_function_url_config(self, call: Call, given: Members) -> Members:
        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        function = self.functions.peek(target.key)
        if function is not None and function.latest.per_tenant:  # a URL's caller names no tenant
            raise InvalidParameter(PER_TENANT)
        url = FunctionUrl(
            id=new_url_id(),
            key=target.key,
            alias=target.qualifier,
            auth_type=given["AuthType"],
            invoke_mode=given.get("InvokeMode", BUFFERED),
            cors=given.get("Cors"),
            created_at=(now := _now()),
            modified_at=now,
        )
        await self.urls.create(url)
        shape = self._shown_url(url)
        del shape["LastModifiedTime"]
        if "InvokeMode" not in given:
            del shape["InvokeMode"]
        return shape

    async def get_function_url_config(self, call: Call, given: Members) -> Members:
        return self._shown_url(self.urls.get(resolve(call, given["FunctionName"], given.get("Qualifier"))))

    async def update_function_url_config(self, call: Call, given: Members) -> Members:
        def change(before: FunctionUrl) -> FunctionUrl:
            return replace(
                before,
                auth_type=given.get("AuthType", before.auth_type),
                invoke_mode=given.get("InvokeMode", before.invoke_mode),
                cors=given.get("Cors", before.cors),
                modified_at=_now(),
            )

        target = resolve(call, given["FunctionName"], given.get("Qualifier"))
        return self._shown_url(await self.urls.update(target, change))

    async def delete_function_url_config(self, call: Call, given: Members) -> Members:
        await self.urls.delete(resolve(call, given["FunctionName"], given.get("Qualifier")))
        return {}

    async def list_function_url_configs(self, call: Call, given: Members) -> Members:
        urls = self.urls.list(resolve_function(call, given["FunctionName"]))
        return page(
            "FunctionUrlConfigs", urls, given, position=lambda url: url.alias or "", show=self._shown_url
        )

    def _shown_url(self, url: FunctionUrl) -> Members:
        shape: Members = {
            "FunctionUrl": self.url_address(url),
            "FunctionArn": url.target.arn,
            "AuthType": url.auth_type,
            "CreationTime": url.created_at,
            "LastModifiedTime": url.modified_at,
            "InvokeMode": url.invoke_mode,
        }
        if url.cors:
            shape["Cors"] = dict(url.cors)
        return shape


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
