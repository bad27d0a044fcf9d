"""What AWS asks for the same work: one table of list prices, and exact sums over it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

MB_MS_PER_GB_S = 1024 * 1000
HOURS_PER_MONTH = 730
FREE_TMP_MB = 512


@dataclass(frozen=True, slots=True)
class Tier:
    """A price for the first `width_gb_s` that no tier before it took; None is without end."""

    width_gb_s: Decimal | None
    usd_per_gb_s: Decimal


@dataclass(frozen=True, slots=True)
class Prices:
    region: str
    as_of: str
    source: str
    usd_per_request: Decimal
    tiers: Mapping[str, tuple[Tier, ...]]  # by architecture; per month
    usd_per_tmp_gb_s: Decimal  # of /tmp over 512 MB
    free_requests: int  # per month
    free_gb_s: Decimal
    servers: Mapping[str, Decimal]  # EC2, Linux, on demand, USD an hour


US_EAST_1 = Prices(
    region="us-east-1",
    as_of="2026-11",
    source="https://aws.amazon.com/lambda/pricing/ and https://aws.amazon.com/ec2/pricing/on-demand/",
    usd_per_request=Decimal("0.0000002"),
    tiers={
        "x86_64": (
            Tier(Decimal(6_000_000_000), Decimal("0.0000166667")),
            Tier(Decimal(9_000_000_000), Decimal("0.000015")),
            Tier(None, Decimal("0.0000133334")),
        ),
        "arm64": (
            Tier(Decimal(7_500_000_000), Decimal("0.0000133334")),
            Tier(Decimal(11_250_000_000), Decimal("0.0000120001")),
            Tier(None, Decimal("0.0000106667")),
        ),
    },
    usd_per_tmp_gb_s=Decimal("0.0000000309"),
    free_requests=1_000_000,
    free_gb_s=Decimal(400_000),
    servers={"t3.medium": Decimal("0.0416"), "t4g.medium": Decimal("0.0336"), "m7i.large": Decimal("0.1008")},
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What is paid for, as whole numbers: megabyte-milliseconds add up without error."""

    architecture: str
    requests: int
    mb_ms: int
    tmp_mb_ms: int = 0  # of /tmp over 512 MB


@dataclass(frozen=True, slots=True)
class Cost:
    requests_usd: Decimal
    compute_usd: Decimal
    tmp_usd: Decimal

    @property
    def total_usd(self) -> Decimal:
        return self.requests_usd + self.compute_usd + self.tmp_usd


def gb_seconds(mb_ms: int) -> Decimal:
    with localcontext(prec=60):
        return Decimal(mb_ms) / MB_MS_PER_GB_S


def cost(usages: Iterable[Usage], prices: Prices = US_EAST_1, *, free_tier: bool = False) -> Cost:
    """The price of one month's work, or of less. The free tier goes to x86_64 first, as the dearer one."""
    used = list(usages)
    free_gb_s = prices.free_gb_s if free_tier else Decimal(0)
    compute_usd = Decimal(0)
    with localcontext(prec=60):
        for architecture, tiers in prices.tiers.items():
            gb_s = gb_seconds(sum(u.mb_ms for u in used if u.architecture == architecture))
            free = min(free_gb_s, gb_s)
            free_gb_s -= free
            compute_usd += _tiered(gb_s - free, tiers)
        requests = sum(u.requests for u in used)
        paid = max(0, requests - prices.free_requests) if free_tier else requests
        tmp_usd = gb_seconds(sum(u.tmp_mb_ms for u in used)) * prices.usd_per_tmp_gb_s
        return Cost(paid * prices.usd_per_request, compute_usd, tmp_usd)


def server_usd_month(server: str = "t3.medium", prices: Prices = US_EAST_1) -> Decimal:
    """What a server that is always on costs in a month."""
    return prices.servers[server] * HOURS_PER_MONTH


def _tiered(gb_s: Decimal, tiers: Iterable[Tier]) -> Decimal:
    usd = Decimal(0)
    for tier in tiers:
        part = gb_s if tier.width_gb_s is None else min(gb_s, tier.width_gb_s)
        usd += part * tier.usd_per_gb_s
        gb_s -= part
    return usd
