"""The state file beside a program: read when the first site is checked."""

from __future__ import annotations

from featdsl.check.complaints import Complaints
from featdsl.check.imports import Loader
from featdsl.program import FitSite
from featdsl.source_file import Span
from featdsl.state import BadState, FittedSite, HashSpace, State, read_state, state_path


class StateFile:
    """`given` stands for the file where it is set: then nothing is read, and what is missing is no mistake
    (`feat fit` asks what is to be fitted)."""

    def __init__(self, program: str, loader: Loader, given: State | None) -> None:
        self._program = program
        self._loader = loader
        self._given = given
        self._tried = False
        self._state: State | None = None
        self._damage = ""

    def site(self, number: str) -> FittedSite | None:
        state = self._read()
        return state.sites.get(number) if state else None

    def hash_spaces(self) -> dict[str, HashSpace]:
        """What was counted; nothing where there is no state."""
        state = self._read()
        return dict(state.hash_spaces) if state else {}

    def report_missing(self, site: FitSite, complaints: Complaints, span: Span) -> None:
        """Says once for all sites alike why a site has no state."""
        if self._given is not None:
            return
        path = state_path(self._program)
        state = self._read()
        if self._damage:
            self.report_damaged(self._damage, complaints, span)
        elif state is None:
            complaints.once(
                ("state", "absent"),
                "E0801",
                f"what is learned from data is not there yet: `{path}`",
                span,
                help=self._advice(),
            )
        elif any(s.name == site.name and s.statistic == site.statistic for s in state.sites.values()):
            complaints.once(
                ("state", "changed"),
                "E0802",
                f"what is learned here is not what was fitted: `{site.of}`",
                span,
                help=f"it was changed since: {self._advice()}",
            )
        else:
            complaints.once(
                ("state", "missing"),
                "E0801",
                f"what is learned here is not in the fitted state yet: `{site.of}`",
                span,
                help=self._advice(),
            )

    def report_damaged(self, why: str, complaints: Complaints, span: Span) -> None:
        complaints.once(
            ("state", "damaged"),
            "E0803",
            f"the fitted state cannot be used ({why}): `{state_path(self._program)}`",
            span,
            help=f"restore the file, or {self._advice()}",
        )

    def _advice(self) -> str:
        return f"run `feat fit {self._program}`"

    def _read(self) -> State | None:
        if self._given is not None:
            return self._given
        if not self._tried:
            self._tried = True
            try:
                text = self._loader.optional_text(state_path(self._program))
                self._state = None if text is None else read_state(text)
            except BadState as error:
                self._damage = str(error)
            except (OSError, ValueError) as error:
                self._damage = getattr(error, "strerror", None) or str(error)
        return self._state
