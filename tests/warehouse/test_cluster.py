"""How the embedded PostgreSQL is found and started, and that it gives up in the end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.warehouse.conftest import PlainHost

from lambent.model.errors import Unavailable
from lambent.settings import BadSetting, Settings
from lambent.warehouse import cluster
from lambent.warehouse.accounts import login
from lambent.warehouse.cluster import INITDB, POSTGRES, Cluster, PostgresMissing, binaries, programs


def test_the_server_is_private_and_durable(tmp_path: Path) -> None:
    make, run = programs(Settings(data=tmp_path))
    assert (make.name, make.once) == (INITDB, True)
    assert (run.name, run.folder, run.shared) == (POSTGRES, tmp_path / "warehouse", True)
    assert {"listen_addresses=", "fsync=on", "synchronous_commit=on"} <= set(run.argv)


def test_no_postgresql_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(Path, "glob", lambda *_: [])
    with pytest.raises(PostgresMissing, match="install the Debian package postgresql"):
        binaries()


def test_a_server_of_your_own_is_refused_clearly(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="postgres: a server of your own is not supported yet"):
        programs(Settings(data=tmp_path, postgres="postgresql://h/d"))


def test_accounts_have_names_of_their_own() -> None:
    assert (login("000000000000").role, login("000000000000").database) == ("awsuser", "dev")
    assert login("111122223333").database == "dev_111122223333"
    with pytest.raises(ValueError, match="an account is digits"):
        login('1"; drop database dev; --')


def host_of(data: Path, **changed: Any) -> Any:
    make, run = programs(Settings(data=data))
    return PlainHost(make, replace(run, **changed))


@pytest.mark.slow
async def test_a_server_that_falls_over_at_once_is_not_started_for_ever(
    short_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "RETRY_S", 0.001)
    data = short_folder()
    host = host_of(data, argv=("/bin/false",))
    server = Cluster(Settings(data=data), host)
    with pytest.raises(Unavailable, match="ended 5 times within 60 s"):
        await server.connect()
    assert len(host.children) == 1 + cluster.STARTS


@pytest.mark.slow
async def test_many_first_clients_start_one_server(short_folder: Callable[[], Path]) -> None:
    data = short_folder()
    host = host_of(data)
    server = Cluster(Settings(data=data), host)
    clients = await asyncio.gather(*(server.client() for _ in range(5)))
    assert len(host.children) == 2
    assert [await client.rows("show server_encoding") for client in clients] == [[["UTF8"]]] * 5
    for client in clients:
        await client.close()
    await server.close()


@pytest.mark.slow
async def test_an_initdb_that_was_killed_is_done_again(short_folder: Callable[[], Path]) -> None:
    data = short_folder()
    host = host_of(data)
    host.programs["killed"] = replace(
        host.programs[INITDB], argv=("/bin/sh", "-c", "mkdir data.part; echo 15 > data.part/PG_VERSION")
    )
    await (await host.run("killed")).exited
    server = Cluster(Settings(data=data), host)
    client = await server.client()
    assert await client.rows("select $1::int + 1", "41") == [["42"]]
    await client.close()
    await server.close()
