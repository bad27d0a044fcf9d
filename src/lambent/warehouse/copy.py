"""One run of COPY FROM 's3://…': objects of a prefix into a table, inside the client's transaction."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from lambent.model.errors import Forbidden, InvalidContent, NotFound, PlatformError
from lambent.model.identity import Principal, PrincipalKind
from lambent.objects.errors import S3Error
from lambent.objects.upstream import Broken
from lambent.warehouse import wire
from lambent.warehouse.accounts import Accounts, Login
from lambent.warehouse.copy_statement import ROLE, CopyStatement, plain_name
from lambent.warehouse.errors import Refused
from lambent.warehouse.exchange import Exchange
from lambent.warehouse.load_errors import LoadError, explain, read_failure, record
from lambent.warehouse.manifest import Source, read_manifest
from lambent.warehouse.reader import ObjectReader, ObjectStream
from lambent.warehouse.rows import BadRow, Column, Gunzip, Place, Plain, Rows
from lambent.warehouse.upstream import ServerError

READ_TIMEOUT_S = 60.0  # for the store to open an object, and for each of its chunks
PIECES = 4  # so many of a file's blocks are unpacked and parsed in one go
MANIFEST_BYTES = 16 * 1024 * 1024
OWN_ROLE = "redshift"  # the role that IAM_ROLE default means

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typcategory = 'S', a.attrelid::bigint,
       pg_backend_pid()
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum
"""
# What reading an object may end with: refusals, and connections that break.
UNREADABLE = (PlatformError, OSError, Broken)

_SET_COUNT = "SELECT set_config('lambent.last_copy_count', $1, false)"


@dataclass(frozen=True, slots=True)
class Target:
    """The table that is loaded, as PostgreSQL's catalog has it."""

    columns: list[Column]
    table: int  # oid
    session: int  # process id of the backend


class Loader:
    """Runs the COPY statements of every session."""

    def __init__(self, reader: ObjectReader, accounts: Accounts) -> None:
        self._reader = reader
        self._accounts = accounts

    async def run(self, copy: CopyStatement, exchange: Exchange, execute: bytes, login: Login) -> bytes:
        """Load through the client's own portal, which `execute` runs; gives back what the client gets to see.

        Raises `Refused` or `ServerError`; PostgreSQL's transaction has then failed as well.
        """
        target = await _target(copy, exchange)
        exchange.send(execute + wire.FLUSH)
        await exchange.receive("G")
        rows = Rows(copy, target.columns)
        try:
            await self._feed(copy, exchange, rows, login)
            exchange.send(wire.COPY_DONE + wire.FLUSH)
            done = await exchange.receive("C")
        except ServerError as error:
            if (failure := read_failure(error.fields, target.columns)) is None:
                raise
            problem = explain(failure, rows.place(failure.line))
        except BadRow as error:
            await exchange.give_up()
            problem = LoadError(Place(rows.file, rows.line, ""), error.code, error.reason)
        except UNREADABLE as error:
            await exchange.give_up()
            raise _unreadable(copy, error) from error
        else:
            return await _completed(copy, exchange, done)
        await self._record(login, target, problem)
        raise Refused(
            f"Load into table '{copy.name}' failed. Check 'stl_load_errors' system table for details."
        )

    async def _feed(self, copy: CopyStatement, exchange: Exchange, rows: Rows, login: Login) -> None:
        principal = _principal(copy, login.account)
        for source in await self._sources(copy, principal):
            async with asyncio.timeout(READ_TIMEOUT_S):
                stream = await self._reader.open(principal, source.bucket, source.key)
            rows.start(source.url)
            try:
                async with aclosing(_blocks(copy, rows, stream)) as blocks:
                    await _send(exchange, blocks)
            finally:
                await stream.close()

    async def _sources(self, copy: CopyStatement, principal: Principal) -> list[Source]:
        async with asyncio.timeout(READ_TIMEOUT_S):
            if copy.manifest:
                return await self._manifest(copy, principal)
            found = await self._reader.list(principal, copy.bucket, copy.prefix)
        if not found:
            raise NotFound(f"The specified S3 prefix '{copy.prefix}' does not exist")
        return [Source(copy.bucket, info.key) for info in found if info.size]

    async def _manifest(self, copy: CopyStatement, principal: Principal) -> list[Source]:
        """The objects that a manifest lists; one that is listed twice is loaded twice, as in Redshift."""
        stream = await self._reader.open(principal, copy.bucket, copy.prefix)
        try:
            if stream.size > MANIFEST_BYTES:
                raise InvalidContent(f"the manifest has {stream.size} bytes; the limit is {MANIFEST_BYTES}")
            data = b"".join([chunk async for chunk in stream.chunks])
        finally:
            await stream.close()
        kept = []
        for source, mandatory in read_manifest(data):
            infos = await self._reader.list(principal, source.bucket, source.key)
            sizes = {info.key: info.size for info in infos}
            if mandatory and source.key not in sizes:
                raise NotFound(f"The mandatory file {source.url} of the manifest does not exist")
            if sizes.get(source.key):
                kept.append(source)
        return kept

    async def _record(self, login: Login, target: Target, problem: LoadError) -> None:
        client = await self._accounts.client(login)
        try:
            await record(client, login.role, target.table, target.session, problem)
        finally:
            await client.close()


async def _send(exchange: Exchange, blocks: AsyncIterator[bytes]) -> None:
    async for block in blocks:
        exchange.send(wire.build("d", block))
        await exchange.drain()
        if exchange.answered:  # nothing but a refusal comes before the end
            await exchange.receive("E")


async def _target(copy: CopyStatement, exchange: Exchange) -> Target:
    found = await exchange.rows(_COLUMNS, copy.table)
    columns = {str(name): Column(str(name), str(kind), text == "t") for name, kind, text, _, _ in found}
    names = [plain_name(column) for column in copy.columns] or list(columns)
    # A table or column that is not there is PostgreSQL's to refuse, when the portal is executed.
    chosen = [columns[name] for name in names if name in columns]
    table, session = (int(str(found[0][3])), int(str(found[0][4]))) if found else (0, 0)
    return Target(chosen, table, session)


async def _blocks(copy: CopyStatement, rows: Rows, stream: ObjectStream) -> AsyncGenerator[bytes, None]:
    """What PostgreSQL is sent for one object. Unpacking and parsing run beside the event loop."""
    form = Gunzip() if copy.gzip else Plain()
    chunks = aiter(stream.chunks)
    while (chunk := await asyncio.wait_for(anext(chunks, None), READ_TIMEOUT_S)) is not None:
        pieces = form.feed(chunk)
        more = True
        while more:
            more, blocks = await asyncio.to_thread(_next_blocks, pieces, rows)
            for block in blocks:
                yield block
    form.finish()
    if rows.pending and (block := await asyncio.to_thread(rows.finish)):
        yield block


def _next_blocks(pieces: Iterator[bytes], rows: Rows) -> tuple[bool, list[bytes]]:
    """The rows of the next few pieces, and whether there may be more of them."""
    taken = [rows.feed(piece) for piece in itertools.islice(pieces, PIECES)]
    return len(taken) == PIECES, [block for block in taken if block]


async def _completed(copy: CopyStatement, exchange: Exchange, done: wire.Message) -> bytes:
    count = done.body.rstrip(b"\0").split(b" ")[-1].decode()
    await exchange.rows(_SET_COUNT, count)
    words = f"Load into table '{copy.name}' completed, {count} record(s) loaded successfully."
    return wire.report("N", "INFO", "00000", words) + done.raw


def _principal(copy: CopyStatement, account: str) -> Principal:
    """The warehouse's own role of the account, or the role that the statement names, of the same account."""
    if copy.role is None or copy.role == "default":
        return Principal(PrincipalKind.ROLE, account, OWN_ROLE, OWN_ROLE)
    found = ROLE.fullmatch(copy.role)
    if found is None or found[1] != account:
        raise Forbidden(f"The warehouse of account {account} is not authorized to assume {copy.role}")
    return Principal(PrincipalKind.ROLE, account, found[2], OWN_ROLE)


def _unreadable(copy: CopyStatement, error: Exception) -> Refused:
    """Redshift's words for a store that does not give what was asked for."""
    where = f"s3://{copy.bucket}/{copy.prefix}"
    if isinstance(error, TimeoutError):
        words = f"S3ServiceException:{where} was not read within {READ_TIMEOUT_S:.0f} s"
    elif isinstance(error, S3Error):
        words = f"S3ServiceException:{error.message},Status {error.status},Error {error.code}"
    else:
        words = str(error) or type(error).__name__
    return Refused(words, detail=f"error: {words}\ncode: 8001\ncontext: {where}")
