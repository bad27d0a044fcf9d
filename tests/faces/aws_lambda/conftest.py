"""Lambda's face, assembled for each test on a data folder of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.faces.aws_lambda.bench import (
    ACCOUNT,
    OTHER_ACCOUNT,
    SECRET,
    Bench,
    Client,
    Echo,
    Refusal,
    Unpacker,
    catalog,
    codec,
)

from lambent.events.mappings import Mappings
from lambent.events.queues import Queues
from lambent.events.roles import Roles
from lambent.faces import function_url
from lambent.faces.aws_invoke import InvokeFace
from lambent.faces.aws_invoke_stream import InvokeStreamFace
from lambent.faces.aws_lambda import LambdaFace
from lambent.faces.guard import Guard
from lambent.faces.packages import PREFIX, PackageDownloads
from lambent.faces.router import Router
from lambent.faces.server import Server
from lambent.faces.signature import Verifier
from lambent.images.images import Images
from lambent.model.identity import Credential, Principal, PrincipalKind
from lambent.store.authority import Authority
from lambent.store.credentials import Credentials
from lambent.store.directory import Directory
from lambent.store.event_invoke_configs import EventInvokeConfigs
from lambent.store.function_settings import FunctionSettings
from lambent.store.functions import Functions
from lambent.store.layers import Layers
from lambent.store.packages import Packages
from lambent.store.policies import Policies
from lambent.store.resources import Resources
from lambent.store.sqlite import Sqlite
from lambent.store.urls import Urls


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    packages = Packages(tmp_path, Unpacker())
    functions = Functions(store, packages.ensure)
    await functions.load()
    policies = Policies(store, functions)
    layers = Layers(store)
    settings = FunctionSettings(store, functions)
    urls = Urls(store, functions)
    mappings, queues = Mappings(store), Queues(store)
    directory = Directory(store)
    authority = Authority(directory)
    downloads = PackageDownloads(packages, SECRET, "")
    echo = Echo(functions)
    keys = [
        Credential(account, "secret", Principal(PrincipalKind.ROOT, account))
        for account in (ACCOUNT, OTHER_ACCOUNT)
    ]
    face = LambdaFace(
        functions,
        policies,
        packages,
        layers,
        settings,
        urls,
        Resources(store),
        runtimes=catalog(),
        architecture="x86_64",
        read_object=lambda *given: whole.read_object(*given),
        code_url=lambda code: whole.url + downloads.url(code),
        images=Images(packages, (str(tmp_path / "images"),), tmp_path, "x86_64"),
        event_invoke_configs=EventInvokeConfigs(store, functions),
        accept=echo.accept,
        supply=lambda target: whole.supply,
        url_address=lambda url: function_url.address(url, whole.url),
        mappings=mappings,
        queues=queues,
        roles=Roles(directory, authority, queues.find),
    )
    guard = Guard(authority, policies, directory)
    invoke = InvokeFace(echo, echo.accept, guard.allow_invoke)
    whole = Bench(functions, policies, packages, downloads, echo, face, invoke, directory)
    verifier = Verifier(Credentials(keys, SECRET))
    router = Router(verifier, guard.check)
    router.add_service(codec(), face)
    router.add_invoke(invoke.invoke, InvokeStreamFace(echo, invoke).invoke)
    router.add_public(PREFIX, downloads)
    served = function_url.FunctionUrls(urls, guard.allow_url, verifier, echo)
    router.add_public(function_url.PATHS, served.by_path)
    router.add_host(function_url.DOMAIN, served.by_host)
    server = Server(router)
    address, port = await server.listen(("127.0.0.1", 0))
    whole.url = f"http://{address}:{port}"
    yield whole
    await server.close(0)
    await functions.close()
    await mappings.close()
    await store.close()


@pytest.fixture
def client(bench: Bench) -> Client:
    return bench.client()


@pytest.fixture
def refused() -> Callable[[Awaitable[Any]], Awaitable[Refusal]]:
    async def refused(call: Awaitable[Any]) -> Refusal:
        with pytest.raises(ClientError) as caught:
            await call
        raw: dict[str, Any] = dict(caught.value.response)
        error = raw["Error"]
        return Refusal(raw["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"], raw)

    return refused
