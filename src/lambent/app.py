"""Builds one node out of its parts; the only module that knows them all."""

import asyncio
import os
import platform
import secrets
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lambent import __version__
from lambent.events.mappings import Mappings
from lambent.events.messages import Messages
from lambent.events.poller import Sources
from lambent.events.pollers import Pollers
from lambent.events.post import Office
from lambent.events.queues import Queues
from lambent.events.roles import Roles
from lambent.faces import function_url
from lambent.faces.admin import Admin
from lambent.faces.aws_iam import IamFace
from lambent.faces.aws_invoke import InvokeFace
from lambent.faces.aws_invoke_stream import InvokeStreamFace
from lambent.faces.aws_lambda import UNCHECKED, LambdaFace
from lambent.faces.aws_logs import LogsFace
from lambent.faces.aws_s3 import S3
from lambent.faces.aws_s3_form import FormUploads
from lambent.faces.aws_sqs import SqsFace
from lambent.faces.aws_sqs_wire import SqsWires
from lambent.faces.aws_sts import StsFace
from lambent.faces.codec import Codec
from lambent.faces.guard import Guard
from lambent.faces.openwhisk_routes import add_openwhisk
from lambent.faces.packages import PREFIX as DOWNLOADS
from lambent.faces.packages import PackageDownloads
from lambent.faces.router import Router
from lambent.faces.server import Server, bind
from lambent.faces.signature import Verifier
from lambent.images import images
from lambent.images.images import Images
from lambent.invoke.admission import Admission
from lambent.invoke.environment import Surroundings
from lambent.invoke.instances import Instances
from lambent.invoke.invoker import Invoker
from lambent.invoke.pool import Pool
from lambent.invoke.provisioned import Provisioned
from lambent.invoke.queue import Queue
from lambent.invoke.readiness import Readiness
from lambent.invoke.templates import Templates
from lambent.launch import ENDPOINT_DOOR, WAREHOUSE_DOOR, Launch
from lambent.model.errors import InvalidParameter
from lambent.model.event_invoke import Terms
from lambent.model.function import Version
from lambent.model.identity import Credential, Principal
from lambent.model.invocation import Invocation, Outcome
from lambent.model.limits import UNZIPPED_BYTES
from lambent.model.names import FunctionKey, Target
from lambent.objects import seaweedfs
from lambent.objects.gateway import Gateway
from lambent.objects.place import Place
from lambent.records.records import Records
from lambent.runtimes.catalog import DEFAULT_RUNTIME
from lambent.sandbox import headroom
from lambent.sandbox.base import Door, Host
from lambent.store.authority import Authority
from lambent.store.credentials import Credentials, warehouse_user
from lambent.store.directory import Directory
from lambent.store.event_invoke_configs import EventInvokeConfigs
from lambent.store.function_settings import FunctionSettings, Kind
from lambent.store.functions import Functions
from lambent.store.layers import Layers
from lambent.store.packages import UNZIPPED, Packages
from lambent.store.policies import Policies
from lambent.store.resources import Resources
from lambent.store.sqlite import Sqlite
from lambent.store.urls import Urls
from lambent.warehouse.accounts import DATABASE
from lambent.warehouse.warehouse import Warehouse
from lambent.whisk import deferred
from lambent.whisk.whisk import Whisk

PASSWORD_LIFETIME_S = 12 * 3600.0
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
CORES = os.cpu_count() or 1


class Node:
    """Every part, from the store at the bottom to the server at the edge."""

    def __init__(self, launch: Launch, host: Host) -> None:
        self.launch = launch
        self.settings = launch.settings
        self.host = host
        self.secret = _secret(self.settings.data / "state" / "secret")
        self.credentials = Credentials(launch.credentials, self.secret, find_user=self._find_user)
        self.catalog = launch.catalog
        self.url = self.settings.url
        self._built = asyncio.Event()

    async def start(self) -> None:
        """Open what is stored, take up what was left undone, then open the door. Raises `CannotStart`."""
        settings = self.settings
        endpoint = bind(settings.host, settings.port, "--port")
        warehouse = bind(settings.host, settings.warehouse_port, "LAMBENT_WAREHOUSE_PORT")
        await self._open_stores()
        self._build_invoke()
        await self._build_objects()
        await self._open_warehouse(warehouse)
        port = endpoint.getsockname()[1]
        self.url = settings.public_url or f"http://{settings.host}:{port}"
        self.server = Server(self._router())
        await self._listen(endpoint)
        self._built.set()
        if recent := [*self.functions.recent(), *self.whisk.versions.recent()]:
            self.readiness.expect(recent)
        else:
            self.readiness.expect_a_first()
        await self.queue.start()
        self.pollers.start()

    async def stop(self) -> None:
        """Let what runs end, from the edge inwards."""
        grace_s = self.settings.drain_s
        self.messages.close()
        self.records.logs.close()
        await self.server.close(grace_s)
        await self.pollers.close(grace_s)
        await self.queue.close(grace_s)
        await self.messages.settled()
        await self.mappings.close()
        await self.pool.close()
        await self.gateway.close()
        await self.warehouse.close()
        self._tending.cancel()
        await self.functions.close()
        await self.templates.close()
        await self.readiness.close()
        await self.host.close()
        await self.whisk.close()
        await self.records.close()
        await self.store.close()

    async def _open_stores(self) -> None:
        state = self.settings.data / "state"
        self.store = await Sqlite.open(state / "state.db")
        self.records = await Records.open(state / "records.db")
        self.directory = Directory(self.store)
        self.directory.load()
        self.authority = Authority(self.directory)
        self.packages = Packages(self.settings.data, self.host)
        self.functions = Functions(self.store, self.packages.ensure, self._optimize)
        self.policies = Policies(self.store, self.functions)
        self.urls = Urls(self.store, self.functions)
        self.queues = Queues(self.store)
        self.messages = Messages(self.store, self.queues)
        self.roles = Roles(self.directory, self.authority, self.queues.find)
        self.queues.load()
        self.event_invoke_configs = EventInvokeConfigs(self.store, self.functions)
        self.event_invoke_configs.load()
        self.mappings = Mappings(self.store)
        self.mappings.load()
        await self.functions.load()
        await self.policies.load()
        self.function_settings = FunctionSettings(self.store, self.functions)
        await self.function_settings.load()
        await self.urls.load()
        self.resources = Resources(self.store)
        await self.resources.load()
        self.layers = Layers(self.store)
        await self.layers.load()
        self.whisk = await Whisk.open(self.store, state / "activations.db", self.catalog.runtimes)
        await self.packages.collect(self._digests(), grace_s=0)
        self._tending = asyncio.create_task(self.packages.tend(self._digests))

    async def _optimize(self, version: Version) -> None:
        """What a killed node had begun comes before all parts are there."""
        await self._built.wait()
        await self.templates.prepare(version)

    def _build_invoke(self) -> None:
        instances = Instances(
            host=self.host,
            packages=self.packages,
            interpreter=self.catalog.get,
            issue=self.credentials.issue,
            surroundings=self._surroundings,
            write_log=self.records.logs.write,
            strict=self.settings.isolation == "strict",
        )
        memory_is_short = headroom.find(self.settings.min_free_mb).is_short
        self.templates = Templates(instances, self.settings.snapstart_mb, memory_is_short)
        self.readiness = Readiness(instances.prepare)
        self.functions.on_change(self._expect)
        self.pool = Pool(
            self.templates.make,
            limit=self.settings.max_instances,
            starting_limit=2 * CORES,
            idle_s=self.settings.idle_s,
            memory_is_short=memory_is_short,
        )
        self.pool.start()
        self.functions.on_change(lambda key: self.pool.retire(key, self.functions.identities(key)))
        self.functions.on_change(lambda key: self.templates.retire(key, self.functions.identities(key)))
        self.provisioned = Provisioned(self.function_settings, self.functions, self.pool)
        self.admission = Admission()
        for key in self.function_settings.functions():
            self._reserve(key)
        self.function_settings.on_change(self._reserve)
        self.invoker = Invoker(self.functions.get, self.admission, self.pool, self.records.meter.settle)
        self.pollers = Pollers(
            self.mappings,
            Sources(
                self.queues,
                self.messages,
                self.invoker.invoke,
                self._may_poll,
                self.function_settings.may_loop,
            ),
        )
        self.functions.on_change(self.pollers.wake)
        self.directory.on_change(self.pollers.wake_all)
        post = Office(self.queues, self.messages, lambda: self.queue, self._may_tell)
        self.queue = Queue(self.store, self._run_queued, self._terms, post)
        settle, accept, call = self.records.meter.settle, self.queue.accept, self.invoker.invoke
        brokers = frozenset(self.settings.kafka_brokers.replace(" ", "").split(",")) - {""}
        expect = self.readiness.expect
        self.whisk.connect(self.admission, self.pool, settle, accept, self.functions, call, brokers, expect)

    def _expect(self, key: FunctionKey) -> None:
        function = self.functions.peek(key)
        self.readiness.expect([function.serving] if function else [])

    def _may_poll(self, target: Target, queue_arn: str) -> bool:
        version = self.functions.find(target)
        return version is not None and self.roles.may_receive(version, queue_arn)

    def _may_tell(self, target: Target, arn: str) -> bool:
        version = self.functions.find(target)
        return version is not None and self.roles.may_tell(version, arn)

    def _terms(self, target: Target) -> Terms:
        terms = self.event_invoke_configs.terms(target)
        return replace(terms, may_loop=True) if self.function_settings.may_loop(target.key) else terms

    def _reserve(self, key: FunctionKey) -> None:
        document = self.function_settings.get(Kind.RESERVED, Target(key))
        self.admission.reserve(key, document["count"] if document else None)

    async def _build_objects(self) -> None:
        settings = self.settings
        if settings.s3_endpoint:
            objects: Any = seaweedfs.External(settings)
        else:
            objects = seaweedfs.SeaweedFS(self.host, Place.read(settings.data))
        self.gateway = Gateway(
            objects,
            self.store,
            self.queue,
            self.functions,
            self.policies,
            self.authority,
            self.queues,
            self.messages,
        )
        await self.gateway.recover()

    async def _open_warehouse(self, listener: socket.socket) -> None:
        self.warehouse = Warehouse(
            self.settings, self.host, self.gateway.reader, self.credentials.check_password
        )
        self.warehouse_port: int = listener.getsockname()[1]
        door = self.host.door(WAREHOUSE_DOOR)
        self.warehouse_door = _address(door, self.warehouse_port)
        await self.warehouse.serve([listener, *([door.listener] if door.listener else [])])

    def _images(self) -> Images:
        sources = images.sources(self.settings.image_sources, self.settings.data)
        walls = self.host.isolation != "process"
        return Images(self.packages, sources, self.settings.data / "keys", ARCHITECTURE, walls)

    def _router(self) -> Router:
        verifier = Verifier(self.credentials)
        guard = Guard(self.authority, self.policies, self.directory, self.queues.find)
        router = Router(verifier, guard.check)
        downloads = PackageDownloads(self.packages, self.secret, self.url)
        lambdas = LambdaFace(
            self.functions,
            self.policies,
            self.packages,
            self.layers,
            self.function_settings,
            self.urls,
            self.resources,
            runtimes=self.catalog,
            architecture=ARCHITECTURE,
            read_object=self._read_object,
            code_url=downloads.url,
            images=self._images(),
            event_invoke_configs=self.event_invoke_configs,
            accept=self.queue.accept,
            supply=self.provisioned.supply,
            url_address=partial(function_url.address, base=self.url),
            mappings=self.mappings,
            queues=self.queues,
            roles=self.roles,
        )
        router.add_service(Codec("lambda", unchecked=UNCHECKED), lambdas)
        allow, may_loop = guard.allow_invoke, self.function_settings.may_loop
        invokes = InvokeFace(self.invoker, self.queue.accept, allow, may_loop, self.whisk.borrowing)
        router.add_invoke(invokes.invoke, InvokeStreamFace(self.invoker, invokes).invoke)
        iam = IamFace(self.directory, self.authority, self.credentials.secret_of)
        router.add_service(Codec("iam"), iam)
        sts = StsFace(self.directory, self.authority, self.credentials.session)
        router.add_service(Codec("sts"), sts)
        router.add_service(Codec("logs"), LogsFace(self.records.logs))
        sqs = SqsWires(SqsFace(self.queues, self.messages, self.url), guard.check)
        router.add("sqs", sqs, sqs.render)
        s3 = S3(self.gateway, FormUploads(self.gateway, verifier))
        router.add("s3", s3, s3.render)
        router.add_admin(Admin(self.records.meter, self._status, self._health))
        router.add_public(DOWNLOADS, downloads)
        urls = function_url.FunctionUrls(self.urls, guard.allow_url, verifier, self.invoker)
        router.add_public(function_url.PATHS, urls.by_path)
        router.add_host(function_url.DOMAIN, urls.by_host)
        add_openwhisk(router, self.whisk, self.packages, self.settings.region, self.url)
        return router

    async def _listen(self, listener: socket.socket) -> None:
        _, port = await self.server.listen(listener)
        door = self.host.door(ENDPOINT_DOOR)
        self.endpoint_door = _address(door, port)
        if door.listener:
            await self.server.listen(door.listener)

    def _surroundings(self, version: Version, credential: Credential) -> Surroundings:
        principal = credential.principal
        host, port = self.warehouse_door
        warehouse = {
            "REDSHIFT_HOST": host,
            "REDSHIFT_PORT": str(port),
            "REDSHIFT_DATABASE": DATABASE,
            "REDSHIFT_USER": warehouse_user(principal),
        }
        password = self.credentials.password(principal, PASSWORD_LIFETIME_S)
        host, port = self.endpoint_door
        extra = {"SSL_CERT_FILE": self.launch.certificates, **warehouse}
        return Surroundings(f"http://{host}:{port}", extra, {"REDSHIFT_PASSWORD": password})

    def _find_user(self, access_key: str) -> Principal | None:
        return self.directory.user_of_key(access_key)

    async def _read_object(self, principal: Principal, bucket: str, key: str, version: str | None) -> bytes:
        stream = await self.gateway.reader.open(principal, bucket, key, version)
        if stream.size > UNZIPPED_BYTES:
            raise InvalidParameter(UNZIPPED)
        return b"".join([chunk async for chunk in stream.chunks])

    def _digests(self) -> set[str]:
        """The packages that are needed."""
        return self.functions.digests() | self.layers.digests() | self.whisk.versions.digests()

    async def _run_queued(self, invocation: Invocation) -> Outcome:
        run = self.whisk.deferred.run if invocation.source == deferred.SOURCE else self.invoker.invoke
        return await run(invocation)

    def _health(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "isolation": self.host.isolation,
            "runtimes": list(self.catalog.runtimes),
            "default_runtime": DEFAULT_RUNTIME,
        }

    def _status(self) -> dict[str, Any]:
        return {
            **self._health(),
            "instances": self.pool.census(),
            "snapstart": self.templates.census(),
            "running": self.admission.running,
            "queue_depth": self.queue.depth,
        }


def _address(door: Door, port: int) -> tuple[str, int]:
    """Where functions reach what serves on `port` outside."""
    return door.host, door.listener.getsockname()[1] if door.listener else port


def _secret(path: Path) -> bytes:
    """The node's signing secret, made at its first start."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()
