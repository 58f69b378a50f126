"""How far reviewers agree, beyond what chance would give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def krippendorff_alpha(units: Iterable[tuple[Sequence[int], int]]) -> float | None:
    """Krippendorff's alpha for nominal values: 1 for full agreement, 0 for that of chance, below 0 for less.

        alpha = 1 - D_o / D_e
        D_o = 1/n       * sum over units u of [ sum over values c of n_uc * (m_u - n_uc) ] / (m_u - 1)
        D_e = 1/(n(n-1)) * sum over values c of n_c * (n - n_c)

    with n_uc the verdicts of value c on unit u, m_u all verdicts on it, n_c and n their sums over all units.
    Units with fewer than two verdicts say nothing about agreement and are left out.

    Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), part D,
    https://repository.upenn.edu/asc_papers/43.

    Args:
        units: how many verdicts of each value a unit has, and how many such units there are.

    Returns:
        Nothing where there is nothing to compare: no unit with two verdicts, or all of one value.
    """
    counted: list[tuple[Sequence[int], int]] = [(values, times) for values, times in units if sum(values) > 1]
    totals: list[int] = [
        sum(column)
        for column in zip(*([value * times for value in values] for values, times in counted), strict=True)
    ]
    n = sum(totals)
    expected = sum(total * (n - total) for total in totals)
    if not expected:
        return None
    observed = sum(times * disagreement(values) for values, times in counted)
    return 1 - observed / n / (expected / (n * (n - 1)))


def disagreement(values: Sequence[int]) -> float:
    """How often two verdicts on a unit differ, each pair weighing so that each verdict counts once."""
    m = sum(values)
    return sum(value * (m - value) for value in values) / (m - 1)
