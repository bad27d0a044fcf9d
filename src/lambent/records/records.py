"""Records: what is written about invocations, gathered in memory and brought to disk by one task."""

import asyncio
import contextlib
import logging
import sqlite3
import time
from pathlib import Path

from lambent.model.errors import Unavailable
from lambent.records import rows
from lambent.records.logs import Logs
from lambent.records.meter import Meter
from lambent.records.retention import Retention, prune
from lambent.store.base import Transaction
from lambent.store.sqlite import Sqlite

log = logging.getLogger(__name__)

# The most that a crash loses. The loop waits for the interpreter's lock some hundred times during a flush,
# which warm calls notice.
FLUSH_INTERVAL_S = 1.0
RETRY_S = 2.0
PRUNE_INTERVAL_S = 600.0
LOG_BUFFER_BYTES = 64 * 1024 * 1024
METER_BUFFER_ROWS = 200_000

MIGRATIONS = ("records.sql", "records_tags.sql", "records_meter.sql")


class Records:
    """Logs and meter over a database of their own. Open it with `await Records.open(path)`.

    Nobody waits for the disk: what is handed over goes to bounded buffers, and a crash loses at most one
    flush interval of it. While the disk refuses, the buffers hold what they can and count what they drop.
    """

    def __init__(self, database: Sqlite, retention: Retention, log_buffer_bytes: int) -> None:
        self._database = database
        self._retention = retention
        self._filled = asyncio.Event()
        self._hurry = asyncio.Event()
        self._readers: list[asyncio.Future[None]] = []
        self._writing = False
        self._refused = False
        self._closing = False
        self._next_prune_at = time.monotonic()
        self.logs = Logs(database, self.flush, self._on_filled, log_buffer_bytes)
        self.meter = Meter(database, self.flush, self._on_filled, METER_BUFFER_ROWS)
        self._task = asyncio.create_task(self._run(), name="records")

    @classmethod
    async def open(
        cls, path: Path, retention: Retention | None = None, *, log_buffer_bytes: int = LOG_BUFFER_BYTES
    ) -> "Records":
        database = Sqlite(path, fsync=False, migrations=MIGRATIONS)
        return cls(database, retention or Retention(), log_buffer_bytes)

    async def flush(self) -> None:
        """Return once what was handed over before this call is on disk, or the disk has refused it."""
        if not self._filled.is_set() and not self._writing:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.append(done)
        self._on_filled(True)
        await done

    async def close(self) -> None:
        self._closing = True
        self._on_filled(True)
        await self._task
        if self._refused:
            log.error("logs and meter of the last moments are lost: the disk refused them")
        await self._database.close()

    def _on_filled(self, hurry: bool) -> None:
        self._filled.set()
        if hurry:
            self._hurry.set()

    async def _run(self) -> None:
        while not self._closing:
            await self._filled.wait()
            await self._linger()
            readers, self._readers = self._readers, []
            try:
                await self._write()
            except Exception:  # a defect of ours costs this batch, not all that come after it
                log.exception("a batch of logs and meter is lost")
            for reader in readers:
                if not reader.done():
                    reader.set_result(None)
            await self._prune()
        await self._write()

    async def _linger(self) -> None:
        """Let more come, so that one commit takes it all."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S if self._refused else FLUSH_INTERVAL_S):
                await self._hurry.wait()

    async def _write(self) -> None:
        self._filled.clear()
        self._hurry.clear()
        logs, metered = self.logs.take(), self.meter.take()
        if not logs and not metered:
            return

        def work(tx: Transaction) -> None:
            logs.insert(tx)
            rows.insert(tx, [row for row, _ in metered])

        self._writing = True
        try:
            await self._database.write(work)
            self._refused = False
        except (Unavailable, sqlite3.Error) as error:
            self.logs.put_back(logs)
            self.meter.put_back(metered)
            self._filled.set()
            if not self._refused:
                log.error("logs and meter stay in memory for now: %s", error)
            self._refused = True
        finally:
            self._writing = False

    async def _prune(self) -> None:
        if self._refused or time.monotonic() < self._next_prune_at:
            return
        try:
            more = await self._database.write(lambda tx: prune(tx, self._retention))
        except (Unavailable, sqlite3.Error) as error:
            log.warning("old records were not removed: %s", error)
            more = False
        self._next_prune_at = time.monotonic() + (0 if more else PRUNE_INTERVAL_S)
