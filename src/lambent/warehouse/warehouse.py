"""The warehouse: Redshift's wire over PostgreSQL, which starts when the first client comes."""

import socket
from collections.abc import Sequence

from lambent.sandbox.base import Host
from lambent.settings import Settings
from lambent.warehouse import tls
from lambent.warehouse.accounts import Accounts
from lambent.warehouse.cluster import Cluster
from lambent.warehouse.copy import Loader
from lambent.warehouse.door import CheckPassword
from lambent.warehouse.reader import ObjectReader
from lambent.warehouse.server import Server


class Warehouse:
    """Joins the parts. `reader` reads for COPY; `check_password` says who logs in."""

    def __init__(
        self, settings: Settings, host: Host, reader: ObjectReader, check_password: CheckPassword
    ) -> None:
        self._settings = settings
        self._check_password = check_password
        self._cluster = Cluster(settings, host)
        self._accounts = Accounts(self._cluster)
        self._loader = Loader(reader, self._accounts)
        self._server: Server | None = None
        self._tls: tls.Tls | None = None

    @property
    def tls(self) -> tls.Tls:
        """The certificate, known once `serve` was called; `tls.bundle` is for SSL_CERT_FILE."""
        assert self._tls is not None, "serve comes first"
        return self._tls

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Answer on these listening sockets; the certificate is for their addresses."""
        names = {self._settings.host, *(listener.getsockname()[0] for listener in listeners)}
        self._tls = tls.load_or_create(self._settings.data / "keys" / "tls", names - {"0.0.0.0", "::"})
        self._server = Server(self._cluster, self._accounts, self._loader, self._tls, self._check_password)
        self._server.listen(listeners)

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()
        await self._cluster.close()
