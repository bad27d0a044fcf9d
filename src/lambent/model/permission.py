"""A permission: who besides its account may call a function, one statement of its resource policy."""

import re
from dataclasses import dataclass
from functools import lru_cache

INVOKE = "lambda:InvokeFunction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """An allowing statement. `principal` is a service (`s3.amazonaws.com`), an account id, an ARN or `*`."""

    sid: str
    action: str
    principal: str
    source_arn: str | None = None  # may hold * and ?
    source_account: str | None = None
    organization: str | None = None
    event_source_token: str | None = None
    url_auth_type: str | None = None  # NONE | AWS_IAM
    via_url: bool | None = None

    def allows_service(self, service: str, action: str, source_arn: str, source_account: str) -> bool:
        """Whether a service may do `action` on behalf of that resource of that account."""
        return (
            self.principal in (service, "*")
            and self._names(action)
            and self._is_plain()
            and (self.source_account is None or self.source_account == source_account)
            and (self.source_arn is None or arn_like(self.source_arn, source_arn))
        )

    def allows_account(self, account: str, action: str) -> bool:
        """Whether callers of another account may do `action`."""
        principals = ("*", account, f"arn:aws:iam::{account}:root")
        unbound = self.source_arn is None and self.source_account in (None, account)
        return self.principal in principals and self._names(action) and self._is_plain() and unbound

    def _names(self, action: str) -> bool:
        return self.action in (action, "lambda:*", "*")

    def _is_plain(self) -> bool:
        """Without a condition that only function URLs, organizations or Alexa skills could meet."""
        special = (self.organization, self.event_source_token, self.url_auth_type)
        return special == (None, None, None) and not self.via_url


def arn_like(pattern: str, arn: str) -> bool:
    """IAM's ArnLike: each of the six parts by itself, with * and ?."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(
        _glob(p).fullmatch(text) is not None for p, text in zip(patterns, parts, strict=True)
    )


@lru_cache(1024)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
