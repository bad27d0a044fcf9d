"""AWS's service models, read before the fork: botocore would parse megabytes of JSON for a first client.

Nothing is different for the function. Each parsed file is handed out once, to whoever loads it first, as if
it had been parsed then, and so are the rules for endpoints that are made from it; the list of services is
that of botocore's own folder, which does not change. No session and no client is made here, and nothing else
of botocore's is kept.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List

EVERYWHERE = ("_retry", "endpoints", "partitions", "sdk-default-configuration")
SERVICES = ("dynamodb", "lambda", "redshift-data", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts")
RULES = "endpoint-rule-set-1"
FILES = (RULES, "service-2")  # what a client of a service is made from
NO_RULES: Dict[str, Any] = {"version": "1.0", "parameters": {}, "rules": []}


def preload() -> None:
    """Do it, where botocore has been imported."""
    loaders: Any = sys.modules.get("botocore.loaders")
    if loaders is not None:
        files = _parsed(loaders)
        endpoints: Any = sys.modules.get("botocore.endpoint_provider")
        if endpoints is not None:
            _hand_out_rules(endpoints.EndpointProvider, files, loaders.Loader.BUILTIN_DATA_PATH)
        _hand_out(loaders.JSONFileLoader, files)
        _list_once(loaders.Loader)


def _parsed(loaders: Any) -> Dict[str, Any]:
    """The content of the files by path, as the loader names them: without their endings."""
    folder = loaders.Loader.BUILTIN_DATA_PATH
    loader = loaders.Loader(include_default_search_paths=False, extra_search_paths=[folder])
    names = list(EVERYWHERE)
    for service in SERVICES:
        names += [
            os.path.join(service, loader.determine_latest_version(service, name), name) for name in FILES
        ]
    paths = [os.path.join(folder, name) for name in names]
    return {path: loader.file_loader.load_file(path) for path in paths}


def _hand_out_rules(provider: Any, files: Dict[str, Any], folder: str) -> None:
    """A client of S3 alone makes a thousand objects of its rules: they are made ahead, once for each service.

    They go to who comes first with the data that they were made from.
    """
    partitions = files[os.path.join(folder, "partitions")]
    rules = [data for path, data in files.items() if path.endswith(RULES)]
    kept = {id(data): (data, provider(data, partitions).ruleset) for data in rules}
    begin = provider.__init__

    def __init__(self: Any, ruleset_data: Any, partition_data: Any, *more: Any, **named: Any) -> None:
        data, made = kept.pop(id(ruleset_data), (None, None))
        if data is not ruleset_data or partition_data is not partitions:
            begin(self, ruleset_data, partition_data, *more, **named)
            return
        begin(self, NO_RULES, partition_data, *more, **named)
        self.ruleset = made

    provider.__init__ = __init__


def _hand_out(file_loader: Any, kept: Dict[str, Any]) -> None:
    load = file_loader.load_file

    def load_file(self: Any, file_path: str) -> Any:
        found = kept.pop(file_path, None)
        return load(self, file_path) if found is None else found

    file_loader.load_file = load_file


def _list_once(loader: Any) -> None:
    """The folder has hundreds of services, and each would be looked into; other folders still are."""
    folder = loader.BUILTIN_DATA_PATH
    look = loader.list_available_services
    own = loader(include_default_search_paths=False, extra_search_paths=[folder])
    known = {name: look(own, name) for name in FILES}

    def list_available_services(self: Any, type_name: str) -> List[str]:
        if folder not in self.search_paths or type_name not in known:
            return look(self, type_name)  # type: ignore[no-any-return]
        others = [path for path in self.search_paths if path != folder]
        rest = look(loader(include_default_search_paths=False, extra_search_paths=others), type_name)
        return sorted({*known[type_name], *rest})

    loader.list_available_services = list_available_services
