"""Tenant isolation: a function that has it runs for each tenant in instances of the tenant's own."""

import re

from lambent.model.errors import InvalidParameter
from lambent.model.function import Version

TENANT = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")
MISSING = (
    "The invoked function is enabled with tenancy configuration. "
    "Add a valid tenant ID in your request and try again."
)
UNWANTED = (
    "The invoked function is not enabled with tenancy configuration. "
    "Remove the tenant ID from your request and try again."
)


def check_tenant(version: Version, tenant: str | None) -> None:
    """Raises `InvalidParameter` unless a call names a tenant exactly when the function wants one."""
    if version.per_tenant and (tenant is None or TENANT.fullmatch(tenant) is None):
        raise InvalidParameter(MISSING)
    if tenant is not None and not version.per_tenant:
        raise InvalidParameter(UNWANTED)
