"""Puts the OpenWhisk face together and in its place behind the router."""

from datetime import date

from lambent import __version__
from lambent.faces.openwhisk import BASE, HOST, OpenWhisk
from lambent.faces.openwhisk_actions import Actions
from lambent.faces.openwhisk_activations import Activations
from lambent.faces.openwhisk_admin import PREFIX, OpenWhiskAdmin
from lambent.faces.openwhisk_apis import Apis
from lambent.faces.openwhisk_info import Info
from lambent.faces.openwhisk_invoke import Invocations
from lambent.faces.openwhisk_packages import Packages
from lambent.faces.openwhisk_rules import Rules
from lambent.faces.openwhisk_triggers import Triggers
from lambent.faces.openwhisk_web import WebActions
from lambent.faces.router import Router
from lambent.store.packages import Packages as CodePackages
from lambent.whisk.system import System
from lambent.whisk.whisk import Whisk


def add_openwhisk(router: Router, whisk: Whisk, packages: CodePackages, region: str, url: str) -> None:
    invocations = Invocations(whisk.runner, whisk.deferred, whisk.throttle)
    collections = {
        "actions": Actions(whisk.registry, packages, whisk.kinds, invocations),
        "activations": Activations(whisk.activations),
        "packages": Packages(whisk.registry),
        "rules": Rules(whisk.registry, whisk.firing),
        "triggers": Triggers(whisk.registry, whisk.firing),
    }
    info = Info(whisk.kinds, __version__, date.today().isoformat())
    web = WebActions(whisk.namespaces, whisk.registry, invocations)
    apis = Apis(whisk.namespaces, whisk.registry, web, url)
    openwhisk = OpenWhisk(whisk.namespaces, collections, info, web, apis)
    router.add_unsigned(BASE, openwhisk)
    router.add_host(HOST, openwhisk.by_host)
    router.add_index(info.root)
    system = System(whisk.registry, whisk.namespaces, whisk.kinds, packages)
    router.add_admin(OpenWhiskAdmin(whisk.namespaces, system, region), PREFIX)
