"""The command line answers at once, in one clear line, with an exit code that scripts can use."""

import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from lambent.cli.failure import explain
from lambent.cli.main import COMMANDS, cli
from lambent.settings import BadSetting

HELP_S = 0.15


def lambent(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from lambent.cli.main import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, check=False)


def test_help_answers_at_once() -> None:
    """By its processor time, which is all it takes on a machine that is not busy with other tests."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "deploy" in lambent("--help").stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(once() for _ in range(5)) < HELP_S


@pytest.mark.parametrize("command", COMMANDS)
def test_no_help_waits_for_a_heavy_module(command: str) -> None:
    code = (
        "import sys; from lambent.cli.main import cli\n"
        f"cli.main(['{command}', '--help'], standalone_mode=False)\n"
        "heavy = {'boto3', 'botocore', 'aiohttp', 'uvloop', 'cryptography', 'urllib3'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_every_command_has_a_module_of_its_name() -> None:
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        assert found.help
        assert all(isinstance(p, click.Argument) or getattr(p, "help", None) for p in found.params)
    assert cli.get_command(context, "nonsense") is None


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["ls", "--nonsense"], ["deploy"], ["logs", "f", "--since=1"]]
)
def test_wrong_usage_is_code_2(arguments: list[str]) -> None:
    done = lambent(*arguments)
    assert done.returncode == 2
    assert "Error:" in done.stderr


def test_no_node_is_code_3_and_one_line(tmp_path: Path) -> None:
    done = lambent("ls", "--data", str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.startswith("lambent: no node runs on ")
    assert done.stderr.count("\n") == 1


def test_an_address_without_a_node_is_code_3_and_one_line() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    done = lambent("ls", environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **keys})
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "nothing answers at http://127.0.0.1:1" in done.stderr


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f'{sys.executable} -c "from lambent.cli.main import main; main()" --help | true',
        shell=True, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (BadSetting("port must be\nof type int"), 2, "port must be of type int"),
        (PermissionError(13, "Permission denied", "/data"), 3, "/data: Permission denied"),
        (ZeroDivisionError("x"), 3, "a mistake of lambent's own: ZeroDivisionError: x"),
        (click.BadParameter("no"), 2, "no"),
    ],
)
def test_every_exception_has_its_line_and_code(error: Exception, code: int, line: str) -> None:
    failure = explain(error)
    assert failure.exit_code == code
    assert failure.message.startswith(line)
    assert "\n" not in failure.message
