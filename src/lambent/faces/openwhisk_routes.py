"""Puts the OpenWhisk face together and in its place behind the router."""

from datetime import date

from lambent import __version__
from lambent.faces.openwhisk import BASE, OpenWhisk
from lambent.faces.openwhisk_actions import Actions
from lambent.faces.openwhisk_activations import Activations
from lambent.faces.openwhisk_admin import PREFIX, OpenWhiskAdmin
from lambent.faces.openwhisk_info import Info
from lambent.faces.openwhisk_invoke import Invocations
from lambent.faces.router import Router
from lambent.store.packages import Packages
from lambent.whisk.whisk import Whisk


def add_openwhisk(router: Router, whisk: Whisk, packages: Packages, region: str) -> None:
    invocations = Invocations(whisk.runner, whisk.deferred, whisk.throttle)
    collections = {
        "actions": Actions(whisk.registry, packages, whisk.kinds, invocations),
        "activations": Activations(whisk.activations),
    }
    info = Info(whisk.kinds, __version__, date.today().isoformat())
    router.add_unsigned(BASE, OpenWhisk(whisk.namespaces, collections, info))
    router.add_index(info.root)
    router.add_admin(OpenWhiskAdmin(whisk.namespaces, region), PREFIX)
