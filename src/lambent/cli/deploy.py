"""`lambent deploy`: from a file or a folder to a function that runs."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from lambent.cli import deployment, exports, handlers, languages, queues, requirements, triggers
from lambent.cli.bundle import Bundle, build
from lambent.cli.deployment import Wish
from lambent.cli.failure import Failure
from lambent.cli.image_uri import name_of, uri_of
from lambent.cli.node import Node, data_option, find, json_option
from lambent.cli.output import Steps, print_json, size
from lambent.cli.queues import QueueTrigger
from lambent.cli.triggers import Trigger
from lambent.model.limits import MEMORY_MB, TIMEOUT_S

Start = Trigger | QueueTrigger


class TriggerType(click.ParamType[Start]):
    name = "trigger"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Start:
        try:
            if isinstance(value, Start):
                return value
            return queues.parse(value) or triggers.parse(value)
        except triggers.BadTrigger as error:
            self.fail(str(error), param, ctx)


class VariableType(click.ParamType[tuple[str, str]]):
    name = "variable"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, equals, text = value.partition("=")
        if not equals or not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]+", name):
            self.fail(
                f"{value!r} is not of the form NAME=VALUE"
                " (a name has two characters at least: a letter, then letters, digits and _)",
                param,
                ctx,
            )
        return name, text


@click.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--image", metavar="URI|DIR|FILE", help="A container image in place of files (docs/images.md).")
@click.option("--name", help="Name of the function. Default: the file's or folder's.")
@click.option("--handler", help="module.function. Default: found, when there is only one.")
@click.option("--runtime", help="Such as python3.12 or nodejs20.x. Default: by the files.")
@click.option("--memory", type=click.IntRange(*MEMORY_MB), metavar="MB", help="Memory. Default: 128.")
@click.option("--timeout", type=click.IntRange(*TIMEOUT_S), metavar="SECONDS", help="Time limit. Default: 3.")
@click.option(
    "--env",
    "variables",
    type=VariableType(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Environment variable; repeat for more. They replace those set before.",
)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="ARN",
    help="A layer's version; repeat for more, in order. They replace those set before.",
)
@click.option(
    "--on",
    "wanted",
    type=TriggerType(),
    multiple=True,
    metavar="s3://BUCKET/PREFIX*SUFFIX|sqs://QUEUE",
    help="Run at every upload of such a key, or for the messages of such a queue; what is missing is made. "
    "Repeat for more.",
)
@data_option
@json_option
def command(
    path: Path | None,
    image: str | None,
    name: str | None,
    handler: str | None,
    runtime: str | None,
    memory: int | None,
    timeout: int | None,
    variables: tuple[tuple[str, str], ...],
    layers: tuple[str, ...],
    wanted: tuple[Start, ...],
    data: Path | None,
    as_json: bool,
) -> None:
    """Push a file or folder as a function, and wire what starts it.

    Python, JavaScript (.js, .mjs), or a folder with an executable called bootstrap. A requirements.txt in
    the folder is installed into the package. Deploying again updates the function; what is not given stays
    as it is.
    """
    if (path is None) == (image is None):
        raise click.UsageError("give a file or folder, or --image")
    if image is not None and (handler or runtime or layers):
        raise click.UsageError("an image has its own runtime, handler and layers")
    node, steps = find(data), Steps(silent=as_json)
    uri = uri_of(image) if image is not None else ""
    name = name or _name(name_of(uri) if path is None else path.resolve().stem)
    functions = node.client("lambda")
    old = deployment.present(functions, name)
    wish = Wish(name=name, memory_mb=memory, timeout_s=timeout, environment=dict(variables), layers=layers)
    if path is None:
        steps.done("image", uri)
        wish = replace(wish, code={"ImageUri": uri})
    else:
        wish = _of_files(replace(wish, runtime=runtime, handler=handler), path, node, old, steps)
    if old is None:
        role = deployment.ensure_role(node.client("iam"))
        steps.done("role", role.rsplit("/", 1)[1])
        deployed = deployment.create(functions, wish, role, steps)
    else:
        deployed = deployment.update(functions, wish, old, steps)
    _wire(node, deployed.configuration, wanted, steps)
    if as_json:
        print_json(_summary(deployed, wanted))


def _of_files(wish: Wish, path: Path, node: Node, old: dict[str, Any] | None, steps: Steps) -> Wish:
    """With the files packed, and with the runtime and the handler that they need."""
    runtime = wish.runtime or _runtime(path, node, old)
    bundle = _bundle(path, runtime)
    files = "1 file" if bundle.files == 1 else f"{bundle.files} files"
    steps.done("bundle", f"{path}: {files}, {size(len(bundle.zip))} zipped")
    handler = wish.handler or _handler(bundle, runtime, old)
    return replace(wish, code={"ZipFile": bundle.zip}, runtime=runtime, handler=handler)


def _name(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9-_]+", "-", text).strip("-") or "function"


def _bundle(path: Path, runtime: str) -> Bundle:
    wanted = path / "requirements.txt"
    if not wanted.is_file():
        return build(path)
    with tempfile.TemporaryDirectory(prefix="lambent-bundle-") as folder:
        requirements.install(wanted, Path(folder), runtime)
        return build(path, Path(folder))


def _runtime(path: Path, node: Node, old: dict[str, Any] | None) -> str:
    """What the function has, unless it is another language's."""
    family, had = languages.family(path), str((old or {}).get("Runtime", ""))
    return had if had.startswith(family) else languages.runtime(family, node)


def _handler(bundle: Bundle, runtime: str, old: dict[str, Any] | None) -> str:
    if runtime.startswith("provided"):
        return str(old["Handler"]) if old else languages.BOOTSTRAP
    try:
        search = exports.find if runtime.startswith("nodejs") else handlers.find
        return search(bundle.sources)
    except handlers.NoHandler as error:
        if old:
            return str(old["Handler"])
        raise Failure(f"{error}: name it with --handler module.function") from None


def _wire(node: Node, now: dict[str, Any], wanted: tuple[Start, ...], steps: Steps) -> None:
    arn: str = now["FunctionArn"]
    for trigger in wanted:
        if isinstance(trigger, QueueTrigger):
            _wire_queue(node, now, trigger, steps)
            continue
        s3, functions = node.client("s3"), node.client("lambda")
        if triggers.ensure_bucket(s3, trigger.bucket, node.region):
            steps.done("bucket", f"{trigger.bucket} created")
        triggers.allow(functions, arn, trigger.bucket)
        added = triggers.attach(s3, trigger, arn)
        steps.done("trigger", f"{trigger}{'' if added else ' (was there)'}")


def _wire_queue(node: Node, now: dict[str, Any], trigger: QueueTrigger, steps: Steps) -> None:
    if queues.ensure(node.client("sqs"), trigger, now["Timeout"]):
        steps.done("queue", f"{trigger.name} created")
    added = queues.attach(node.client("lambda"), trigger, now["FunctionArn"])
    steps.done("trigger", f"{trigger}{'' if added else ' (was there)'}")


def _summary(deployed: deployment.Deployed, wanted: tuple[Start, ...]) -> dict[str, Any]:
    now = deployed.configuration
    return {
        "name": now["FunctionName"],
        "arn": now["FunctionArn"],
        "runtime": now.get("Runtime"),
        "handler": now.get("Handler"),
        "memory_mb": now["MemorySize"],
        "timeout_s": now["Timeout"],
        "code_sha256": now["CodeSha256"],
        "changed": list(deployed.changed),
        "triggers": [str(trigger) for trigger in wanted],
    }
