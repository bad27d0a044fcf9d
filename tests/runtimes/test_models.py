"""Service models that are read before the fork: the same for whoever asks, and nothing of anybody's."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from lambent.runtimes.python import models

pytestmark = pytest.mark.slow
TIMEOUT_S = 120
KEYS = 'aws_access_key_id="-", aws_secret_access_key="-", region_name="us-east-1"'


def run(code: str, ahead: bool, **environment: str) -> Any:
    """What a process prints that has botocore, with or without the models."""
    begin = "import json, sys, gc, boto3, botocore.session\nfrom lambent.runtimes.python import models\n"
    begin += "models.preload()\n" if ahead else ""
    command = [sys.executable, "-c", begin + textwrap.dedent(code)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_clients_are_the_same(tmp_path: Path) -> None:
    code = f"""
        told = {{}}
        for service in {(*models.SERVICES, "ec2")!r}:
            client = boto3.client(service, {KEYS})
            model = client.meta.service_model
            shapes = [(n, sorted(model.operation_model(n).metadata or ())) for n in model.operation_names]
            told[service] = [model.api_version, shapes, client.meta.endpoint_url]
        print(json.dumps(told))
    """
    assert run(code, ahead=True) == run(code, ahead=False)


def test_each_session_has_its_own_copy() -> None:
    code = """
        loaders = [botocore.session.Session().get_component("data_loader") for _ in range(2)]
        first, second = (loader.load_service_model("s3", "service-2") for loader in loaders)
        first["operations"].clear()
        print(json.dumps([first is second, len(second["operations"]) > 50]))
    """
    assert run(code, ahead=True) == [False, True]


def test_each_client_has_rules_for_endpoints_of_its_own() -> None:
    code = f"""
        def rules(session):
            return session.create_client("s3", {KEYS})._ruleset_resolver._provider.ruleset

        one, other = botocore.session.Session(), botocore.session.Session()
        found = [rules(one), rules(one), rules(other)]
        urls = [one.create_client(name, {KEYS}).meta.endpoint_url for name in {models.SERVICES!r}]
        print(json.dumps([len(set(map(id, found))), [len(each.rules) for each in found], urls]))
    """
    ahead = run(code, ahead=True)
    assert ahead[0] == 3
    assert ahead == run(code, ahead=False)


def test_models_of_ones_own_are_still_found(tmp_path: Path) -> None:
    (tmp_path / "mine" / "2026-01-01").mkdir(parents=True)
    (tmp_path / "mine" / "2026-01-01" / "service-2.json").write_text("{}")
    code = """
        loader = botocore.session.Session().get_component("data_loader")
        print(json.dumps([loader.list_available_services(t) for t in ("service-2", "waiters-2")]))
    """
    ahead = run(code, ahead=True, AWS_DATA_PATH=str(tmp_path))
    assert "mine" in ahead[0]
    assert ahead == run(code, ahead=False, AWS_DATA_PATH=str(tmp_path))


def test_nothing_of_anybody_is_made() -> None:
    code = """
        kinds = {type(thing) for thing in gc.get_objects()}
        names = [kind.__name__ for kind in kinds if kind.__module__.startswith("boto")]
        print(json.dumps([sorted(names), boto3.DEFAULT_SESSION]))
    """
    kinds, session = run(code, ahead=True, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret")
    assert session is None
    assert not {kind for kind in kinds if kind.endswith(("Session", "Client", "Credentials", "Resolver"))}
