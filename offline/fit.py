"""`feat fit`: learns from the samples what a program leaves to the data, and counts how its hash spaces fill.

Sites that use what is learned at others wait for these: they are fitted in rounds. All sites of a round share one pass
over the joined rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions

from compiler.bundle import Bundle
from compiler.fingerprint import fingerprint
from compiler.ir import Graph, Module, Root, feature_root
from compiler.lower import lower_expressions
from compiler.native.emit import emit
from compiler.passes import optimize
from compiler.passes.split import Stage, split
from featdsl.check import CheckResult, check
from featdsl.errors import InputError
from featdsl.program import CheckedProgram, FitSite, HashUse
from featdsl.rendering import as_text
from featdsl.state import FittedSite, HashSpace, State
from offline.config import Config
from offline.failures import run_job
from offline.fit_pass import TALLY_SQL, Counted, FitPass
from offline.fit_statistics import (
    Values,
    corpora_of,
    count_rows,
    counts_between,
    means_of,
    moments_of,
    quantiles_of,
    vocabs_of,
)
from offline.folds import SAMPLE, sample_number
from offline.samples import join_samples
from offline.shipped import packed
from offline.tally import Tally, tally_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Say = Callable[[str], None]

STATISTICS: dict[str, Callable[[Tally, Mapping[int, FitSite]], dict[int, Values]]] = {
    "moments": moments_of,
    "quantiles": quantiles_of,
    "vocab": vocabs_of,
    "means": means_of,
    "corpus": corpora_of,
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """The new state. `checked` is the program with it; `shifts` are, by site that was fitted before with quantiles, the
    counts of the new values between the old points."""

    state: State
    checked: CheckResult
    fitted: tuple[str, ...]
    shifts: Mapping[str, list[int]]


def fit(
    session: SparkSession,
    path: str,
    config: Config,
    before: State,
    *,
    only: Iterable[str] = (),
    until_us: int | None = None,
    say: Say = lambda line: None,
) -> Fitted:
    """Learns all that the program at `path` needs. `before` is the state so far: `only` the sites in the declarations
    named are learned anew, the others stay. `until_us`: from the samples before that time.

    Errors: `InputError` for a program with mistakes, and for a site of which nothing can be learned.
    """
    chosen = set(only)
    state = _kept(path, before, chosen)
    fitted: dict[str, FitSite] = {}
    shifts: dict[str, list[int]] = {}
    while True:
        checked = check(path, fitting=state)
        if checked.program is None:
            raise InputError(f"the program has mistakes\n\n{as_text(checked.diagnostics)}")
        missing = [site for site in checked.program.sites if site.state is None]
        ready = [site for site in missing if not chosen or site.name in chosen]
        hashes = [use for use in checked.program.hashes if use.id not in state.hash_spaces]
        if not ready and (not hashes or missing):
            break
        say(f"learning {', '.join(_shown(ready)) or 'how the hash spaces fill'}")
        round_ = Round(session, checked.program, tuple(ready), tuple(hashes))
        found = round_.run(config, until_us, before, say)
        fitted |= {site.id: site for site in ready}
        shifts |= found.shifts
        state = State(
            found.samples, {**state.sites, **found.sites}, {**state.hash_spaces, **found.hash_spaces}
        )
    in_use = {use.id for use in checked.program.hashes}
    spaces = {number: space for number, space in state.hash_spaces.items() if number in in_use}
    return Fitted(replace(state, hash_spaces=spaces), checked, tuple(fitted), shifts)


def _kept(path: str, before: State, chosen: set[str]) -> State:
    """What stays of the state: with `chosen`, all sites in other declarations that the program still has."""
    if not chosen:
        return State()
    checked = check(path, fitting=before)
    if checked.program is None:
        raise InputError(f"the program has mistakes\n\n{as_text(checked.diagnostics)}")
    names = {site.name for site in checked.program.sites}
    for name in sorted(chosen - names):
        known = f"there is: {', '.join(sorted(names))}" if names else "nothing is learned in this program"
        raise InputError(f"nothing is learned in a declaration of this name: {name}", help=known)
    sites = {site.id: site.state for site in checked.program.sites if site.state and site.name not in chosen}
    return State(before.samples, sites, before.hash_spaces)


def _shown(sites: Iterable[FitSite]) -> list[str]:
    return [f"{site.statistic} of {site.of}" for site in sites]


@dataclass(frozen=True, slots=True)
class Found:
    samples: int
    sites: Mapping[str, FittedSite]
    hash_spaces: Mapping[str, HashSpace]
    shifts: Mapping[str, list[int]]


@dataclass(frozen=True, slots=True)
class Round:
    """The sites that can be learned now, in one pass."""

    session: SparkSession
    program: CheckedProgram
    sites: tuple[FitSite, ...]
    hashes: tuple[HashUse, ...]

    def run(self, config: Config, until_us: int | None, before: State, say: Say) -> Found:
        by_number = dict(enumerate(self.sites))
        of_hashes = dict(enumerate(self.hashes, start=len(by_number)))
        passed = self._passed(config, until_us, by_number, of_hashes, say)

        def learn() -> Found:
            with tally_of(passed) as tally:
                return self._learned(tally, by_number, of_hashes, before, say)

        try:
            return run_job(learn)
        except OverflowError:
            raise InputError("the sum of a label's values is too large for a number") from None

    def _learned(
        self,
        tally: Tally,
        by_number: Mapping[int, FitSite],
        of_hashes: Mapping[int, HashUse],
        before: State,
        say: Say,
    ) -> Found:
        samples = count_rows(tally)
        say(f"{samples:,} samples")
        if samples == 0:
            raise InputError(
                "there are no samples to learn from", help="see `path` in [samples] of feat.toml, and --until"
            )
        values: dict[int, Values] = {}
        for statistic, compute in STATISTICS.items():
            some = {number: site for number, site in by_number.items() if site.statistic == statistic}
            if some:
                values |= compute(tally, some)
        edges = {
            number: sorted(set(before.sites[site.id].values["points"]))
            for number, site in by_number.items()
            if site.statistic == "quantiles" and site.id in before.sites
        }
        shifts = counts_between(tally, edges)
        counted = tally.collisions(of_hashes) if of_hashes else {}
        spaces = [HashSpace(use.id, use.of, use.buckets, *counted[n]) for n, use in of_hashes.items()]
        return Found(
            samples,
            {site.id: _fitted(site, values[number]) for number, site in by_number.items()},
            {space.id: space for space in spaces},
            {by_number[number].id: counts for number, counts in shifts.items()},
        )

    def _passed(
        self,
        config: Config,
        until_us: int | None,
        by_number: Mapping[int, FitSite],
        of_hashes: Mapping[int, HashUse],
        say: Say,
    ) -> DataFrame:
        bundle = self._bundle(by_number, of_hashes)
        labels = {site.label.name: site.label.type for site in self.sites if site.label is not None}
        joined = join_samples(
            self.session, bundle, "features", config, say, labels=labels, until_us=until_us, ordered=False
        )
        counted = [
            Counted(
                number,
                site.statistic,
                joined.layout.labels[site.label.name][0] if site.label else "",
                site.parameters.get("folds", 0),
            )
            for number, site in by_number.items()
        ]
        counted += [Counted(number, "hash") for number in of_hashes]
        entities = tuple(entity.name for entity in bundle.schema.entities)
        number = sample_number(joined.layout, entities) if labels else "0L"
        rows = joined.df.withColumn(SAMPLE, functions.expr(number))
        return rows.mapInArrow(FitPass(packed(bundle), tuple(counted), SAMPLE, joined.late), TALLY_SQL)

    def _bundle(self, by_number: Mapping[int, FitSite], of_hashes: Mapping[int, HashUse]) -> Bundle:
        """A program whose features are what is learned from, as it is: not rounded, and not made finite."""
        wanted: dict[str, Any] = {f"s{number}": site.argument for number, site in by_number.items()}
        for number, use in of_hashes.items():
            wanted |= {f"s{number}": use.bucket.args[0], f"b{number}": use.bucket}
        graph = Graph()
        nodes = lower_expressions(graph, wanted.values())
        roots = {feature_root(name): Root(nodes[e], nodes[e].type) for name, e in wanted.items()}
        module = optimize(Module(graph, roots))
        stages = {stage.name: emit(_as_it_is(stage)) for stage in split(module, "features")}
        schema = self.program.schema
        return Bundle(
            schema,
            {},
            module.graph,
            module.roots,
            {"features": stages},
            fingerprint(schema, (), module),
        )


def _as_it_is(stage: Stage) -> Stage:
    return replace(stage, outputs=tuple(replace(output, finite=False) for output in stage.outputs))


def _fitted(site: FitSite, values: Values) -> FittedSite:
    return FittedSite(site.id, site.name, site.statistic, site.of, site.parameters, values)
