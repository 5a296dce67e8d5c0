"""How well a ranking does, query by query: the metrics, the spread over queries, and the worst of them, as HTML."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import numpy as np

from steepest.metrics import kendall_tau, mean_average_precision, ndcg_by_query, pair_accuracy, query_codes
from steepest.protocols import AnyArray, FloatArray
from steepest.report.metrics import Scores
from steepest.report.svg import bar_chart
from steepest.report.words import metric, number

PLACES = 10
BINS = 10
WORST = 10


class QueryScores(NamedTuple):
    """Of every query: its id, rows, rows with a relevance above 0, NDCG, and the first place of such a row."""

    names: AnyArray
    rows: AnyArray
    relevant: AnyArray
    ndcg: FloatArray
    first: AnyArray


def ranking_scores(y: Any, scores: Any, qid: Any = None) -> Scores:
    """NDCG of the first ten places, mean average precision, Kendall's tau and the share of pairs in the right order.

    Parameters
    ----------
    y, scores : arrays of shape (n,)
        Relevances and scores.  Where a relevance is negative, there is no NDCG.
    qid : array of shape (n,), optional
        None is one query.

    Examples
    --------
    >>> found = ranking_scores([2, 0, 1, 0, 1], [0.9, 0.5, 0.1, 0.3, 0.8], [1, 1, 1, 2, 2])
    >>> {name: round(value, 3) for name, value in found.values.items()}
    {'NDCG@10': 0.982, 'MAP': 0.917, 'Kendall tau': 0.667, 'pair accuracy': 0.75}
    """
    y, z = np.asarray(y, dtype=np.float64), np.asarray(scores, dtype=np.float64).ravel()
    codes = query_codes(qid, len(y))
    values: dict[str, float] = {}
    queries = None
    if y.min() >= 0.0:
        ndcg = ndcg_by_query(y, z, codes, PLACES)
        values[f"NDCG@{PLACES}"] = float(ndcg.mean())
        names = np.unique(np.asarray(qid)) if qid is not None else np.array(["all rows"])
        order = np.lexsort((-z, codes))
        sizes = np.bincount(codes)
        place = np.empty(len(z), dtype=np.int64)
        place[order] = np.arange(len(z)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
        first = np.full(len(sizes), np.iinfo(np.int64).max)
        np.minimum.at(first, codes[y > 0.0], place[y > 0.0])
        queries = QueryScores(names, sizes, np.bincount(codes, y > 0.0).astype(np.int64), ndcg, first)
    values["MAP"] = mean_average_precision(y, z, codes)
    values["Kendall tau"] = kendall_tau(y, z, codes)
    values["pair accuracy"] = pair_accuracy(y, z, codes)
    return Scores(len(y), values, target=y, predicted=z, queries=queries)


def ranking_section(scores: Scores, name: str, others: dict[str, Scores]) -> str:
    """Metrics of all parts, the spread of NDCG over the queries of one part, and its worst queries.

    Parameters
    ----------
    scores : Scores
        Of the part that is shown query by query.
    name : str
        What that part is called.
    others : dict of Scores
        Of further parts, for the table.
    """
    table = _metrics({**others, name: scores})
    if scores.queries is None:
        return f'{table}<p class="soft">Some relevances are negative, so there is no NDCG of the queries.</p>'
    q = scores.queries
    told = q.relevant > 0
    without = int((~told).sum())
    words = ""
    if without:
        words = (
            f'<p class="soft">{without:,} of {len(told):,} queries have no relevant row: no order of theirs is better '
            "than another. They count 0 in NDCG and MAP, as LETOR has it, and are in neither picture nor list.</p>"
        )
    if not told.any():
        return f"{table}{words}"
    chart = _spread(q.ndcg[told])
    share = float(np.mean(q.first[told] == 1))
    said = (
        f'<p class="soft">A relevant row comes first in {100 * share:.0f} % of the {int(told.sum()):,} queries that '
        f"have one; their median NDCG@{PLACES} is {np.median(q.ndcg[told]):.3f}.</p>"
    )
    cards = "".join(f'<div class="card">{part}</div>' for part in (chart + said, _worst(q)))
    return f'{table}{words}<div class="grid">{cards}</div>'


def _metrics(parts: dict[str, Scores]) -> str:
    names = list(dict.fromkeys(name for part in parts.values() for name in part.values))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", "rows", "queries", *names))
    rows = []
    for title, part in parts.items():
        queries = number(len(part.queries.rows)) if part.queries is not None else ""
        cells = [number(part.n_samples), queries]
        cells += [metric(name, part.values[name]) if name in part.values else "" for name in names]
        rows.append(f'<tr><th scope="row">{escape(title)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    return (
        f'<div class="card"><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        '</table></div><p class="soft">Pair accuracy: the share of the pairs of different relevance, within a query, '
        "that are in the right order. Kendall's tau: the same between -1 and 1, the mean over queries.</p></div>"
    )


def _spread(ndcg: FloatArray) -> str:
    counts = np.histogram(ndcg, bins=np.linspace(0.0, 1.0, BINS + 1))[0]
    names = [f"{k / BINS:.1f} to {(k + 1) / BINS:.1f}" for k in range(BINS)]
    described = "; ".join(f"{name}: {count}" for name, count in zip(names, counts.tolist(), strict=True))
    return bar_chart(
        names[::-1],
        counts[::-1].astype(np.float64),
        title=f"Queries by their NDCG@{PLACES}",
        describe=described,
        signed=False,
    )


def _worst(q: QueryScores) -> str:
    told = np.flatnonzero(q.relevant > 0)
    worst = told[np.lexsort((-q.rows[told], q.ndcg[told]))][:WORST]
    rows = "".join(
        f'<tr><th scope="row">{escape(str(q.names[k]))}</th><td>{q.ndcg[k]:.3f}</td><td>{int(q.rows[k]):,}</td>'
        f"<td>{int(q.relevant[k]):,}</td><td>{int(q.first[k]):,}</td></tr>"
        for k in worst.tolist()
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("query", f"NDCG@{PLACES}", "rows", "relevant", "first at place")
    )
    return (
        f'<h3>Worst queries</h3><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div>"
    )
