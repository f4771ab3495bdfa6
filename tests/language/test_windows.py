"""The aggregates that the peers compute over a window of events, over a sequence of events with times."""

from __future__ import annotations

from featdsl.check import check

PROGRAM = """
entity user: int64 per request
entity item: string per candidate
source profile of user {
  clicks: sequence[100] { item: string  category: string  price: float64  at: timestamp }
}
source movie of item { category: string = "" }
request { at: timestamp = now }

let recent = within(profile.clicks.at, request.at, days(7))
let prices = filter(profile.clicks.price, recent)
let categories = filter(profile.clicks.category, recent)
let times = filter(profile.clicks.at, recent)
let same = profile.clicks.category == movie.category

feature n = count(recent)
feature total = sum(prices)
feature average = mean(prices) ?? 0.0
feature least = min(prices) ?? 0.0
feature most = max(prices) ?? 0.0
feature spread = variance(prices) ?? 0.0
feature lean = skew(prices) ?? 0.0
feature tails = kurtosis(prices) ?? 0.0
feature first_price = first(prices) ?? 0.0
feature last_price = last(prices) ?? 0.0
feature first_two = pad(take(prices, 2), 2)
feature last_two = pad(take_last(prices, 2), 2)
feature dearest = pad(top_k(prices, 2), 2)
feature cheapest = pad(bottom_k(prices, 2), 2)
feature items_of_dearest = top_k_by(filter(profile.clicks.item, recent), prices, 3)
feature kinds = unique_count(categories)
feature buckets = pad(histogram(prices, [1, 10, 100]), 4)
feature upper = percentile(prices, 0.9) ?? 0.0
feature favourite = mode(categories) ?? ""
feature variety = entropy(categories)
feature fall = drawdown(prices) ?? 0.0
feature before_last = lag(prices, 1) ?? 0.0
feature smooth = ew_mean(prices, 0.3) ?? 0.0
feature decayed = decayed_sum(profile.clicks.price, request.at - profile.clicks.at, days(7))
feature conditional = sum_where(prices, prices > 10.0)
feature by_category = get(sum_by(categories, prices), movie.category) ?? 0.0
feature count_of_category = get(value_counts(categories), movie.category) ?? 0
feature widest_gap = gap_max(times) ?? 0
feature matches = count(recent and same)
feature ever = any(same)
feature first_match = position_where(same) ?? -1
feature since_match = (request.at - (last_where(profile.clicks.at, same) ?? request.at)) / days(1)
feature dearest_match = max_where(profile.clicks.price, same and recent) ?? 0.0
"""


def test_every_window_aggregate_is_an_expression() -> None:
    result = check("windows.feat", overlay={"windows.feat": PROGRAM})
    assert [d.message for d in result.diagnostics if d.severity == "error"] == []
