"""Prices, to the last digit."""

from decimal import Decimal

from lambent.records.prices import MB_MS_PER_GB_S, Usage, cost, gb_seconds, server_usd_month


def test_a_gigabyte_for_a_second() -> None:
    assert gb_seconds(1024 * 1000) == 1
    assert gb_seconds(128) == Decimal("0.000125")


def test_gb_seconds_are_exact() -> None:
    assert gb_seconds(10**18 + 1) * MB_MS_PER_GB_S == 10**18 + 1


def test_a_million_short_calls_at_128_mb() -> None:
    # AWS's own way to reckon: 1,000,000 × 0.1 s × 0.125 GB = 12,500 GB-s, and $0.20 for the requests
    bill = cost([Usage("x86_64", 1_000_000, 1_000_000 * 100 * 128)])
    assert bill.requests_usd == Decimal("0.20")
    assert bill.compute_usd == 12_500 * Decimal("0.0000166667")
    assert bill.total_usd == Decimal("0.40833375")


def test_arm_is_cheaper() -> None:
    bill = cost([Usage("arm64", 0, MB_MS_PER_GB_S)])
    assert bill.total_usd == Decimal("0.0000133334")


def test_tiers_are_filled_in_turn() -> None:
    gb_s = 16_000_000_000
    bill = cost([Usage("x86_64", 0, gb_s * MB_MS_PER_GB_S)])
    assert bill.compute_usd == (
        6_000_000_000 * Decimal("0.0000166667")
        + 9_000_000_000 * Decimal("0.000015")
        + 1_000_000_000 * Decimal("0.0000133334")
    )


def test_tiers_count_all_usages_of_one_architecture_together() -> None:
    part = Usage("x86_64", 0, 4_000_000_000 * MB_MS_PER_GB_S)
    together = Usage("x86_64", 0, 8_000_000_000 * MB_MS_PER_GB_S)
    assert cost([part, part]) == cost([together])
    arm = Usage("arm64", 0, part.mb_ms)
    assert cost([part, arm]).compute_usd == cost([part]).compute_usd + cost([arm]).compute_usd


def test_tmp_over_512_mb_is_paid() -> None:
    assert cost([Usage("x86_64", 0, 0, tmp_mb_ms=MB_MS_PER_GB_S)]).tmp_usd == Decimal("0.0000000309")


def test_the_free_tier_is_given_when_asked_for() -> None:
    month = [Usage("x86_64", 1_000_000, 400_000 * MB_MS_PER_GB_S)]
    assert cost(month, free_tier=True).total_usd == 0
    more = [Usage("x86_64", 1_000_001, 400_001 * MB_MS_PER_GB_S)]
    assert cost(more, free_tier=True).total_usd == Decimal("0.0000002") + Decimal("0.0000166667")


def test_a_server_that_is_always_on() -> None:
    assert server_usd_month("t3.medium") == Decimal("30.368")
