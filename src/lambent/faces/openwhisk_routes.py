"""Puts the OpenWhisk face together and in its place behind the router."""

from datetime import date

from lambent import __version__
from lambent.faces.openwhisk import BASE, OpenWhisk
from lambent.faces.openwhisk_actions import Actions
from lambent.faces.openwhisk_activations import Activations
from lambent.faces.openwhisk_admin import PREFIX, OpenWhiskAdmin
from lambent.faces.openwhisk_info import Info
from lambent.faces.openwhisk_invoke import Invocations
from lambent.faces.openwhisk_packages import Packages
from lambent.faces.openwhisk_rules import Rules
from lambent.faces.openwhisk_triggers import Triggers
from lambent.faces.openwhisk_web import WebActions
from lambent.faces.router import Router
from lambent.store.packages import Packages as CodePackages
from lambent.whisk.whisk import Whisk


def add_openwhisk(router: Router, whisk: Whisk, packages: CodePackages, region: str) -> None:
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
    router.add_unsigned(BASE, OpenWhisk(whisk.namespaces, collections, info, web))
    router.add_index(info.root)
    router.add_admin(OpenWhiskAdmin(whisk.namespaces, region), PREFIX)
