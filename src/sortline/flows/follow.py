"""Following the database: what the ledger says is live is what this server serves, a moment later."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import Engine

from sortline.db.session import Session, reading
from sortline.engine.classifier import Classifier
from sortline.engine.routing import Policy
from sortline.errors import SortlineError
from sortline.flows.loading import Loaded, NotUsable, give_back_memory
from sortline.lines import store as lines
from sortline.lines.fits import list_fits
from sortline.lines.line import Line
from sortline.registry import shadows
from sortline.registry import store as registry
from sortline.registry.ledger import BundleRecord
from sortline.serving.live import LiveLine, LiveLines
from sortline.serving.niceness import behind_others

log = logging.getLogger(__name__)

# Half a second until a change is seen leaves a second and a half to load a network within the two that are promised.
INTERVAL = 0.5
# Seconds until a bundle that could not be loaded is tried again: the disk may have been full.
TRY_AGAIN = 60.0
# Seconds after which a bundle that was replaced has answered what it began, and its memory is given back.
DRAINED_AFTER = 2.0

# `load(record, what is loaded, busy)`: the bundle warm, within seconds; see `loading.load`.
Load = Callable[[BundleRecord, Sequence[Loaded], bool], Loaded]


class InvalidPolicy(SortlineError):
    """A policy with a setting that does not exist or a value out of range."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The policy is not valid: {problem}.")


@dataclass(frozen=True, slots=True)
class _State:
    """What a line's service follows from, as the database says."""

    line: Line
    classes: tuple[str, ...]
    bundle: BundleRecord | None
    shadow: BundleRecord | None
    # What the line's budget came to, by the hash of the bundle.
    fits: Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A bundle that is to serve: ready, or why not."""

    loaded: Loaded | None = None
    problem: str | None = None


class Follower:
    """Keeps `LiveLines` as the database says, and bundles ready that are about to be made live."""

    def __init__(self, engine: Engine, live: LiveLines, load: Load) -> None:
        self._engine, self._live, self._load = engine, live, load
        self._serving: dict[int, tuple[_State, _Outcome, _Outcome, LiveLine]] = {}
        self._loaded: dict[str, Loaded] = {}
        self._failed: dict[str, tuple[float, str]] = {}
        self._held: set[str] = set()
        self._drained_at: float | None = None
        # One change of what serves at a time; one load; one change of the table of what is loaded.
        self._one, self._loading, self._table = threading.Lock(), threading.Lock(), threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def start(self) -> None:
        """From now on changes are followed."""
        self._thread.start()

    def close(self) -> None:
        """No more changes are followed."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """The lines serve as the database says now."""
        with self._one:
            with reading(self._engine) as session:
                states = _states(session)
            serving = {state.line.id: self._line(state) for state in states}
            if [line for *_, line in serving.values()] != [line for *_, line in self._serving.values()]:
                self._live.replace(line for *_, line in serving.values())
            self._serving = serving
            self._forget(states)

    @contextmanager
    def prepared(self, record: BundleRecord) -> Iterator[None]:
        """Within the block the bundle is ready to serve, beside what serves now; `refresh` then only swaps.

        Raises:
            NotUsable: it cannot serve here; what serves now goes on.
        """
        self._held.add(record.hash)
        try:
            self._ready(record)
            self._failed.pop(record.hash, None)
            yield
        finally:
            self._held.discard(record.hash)

    def _follow(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.refresh()
            except SortlineError as error:
                log.warning("cannot follow the database just now: %s", error)
            except Exception:
                # Whatever it is, the thread must live on: without it, no change would ever be served again.
                log.exception("following the database failed; it is tried again")
            self._give_back()

    def _line(self, state: _State) -> tuple[_State, _Outcome, _Outcome, LiveLine]:
        before = self._serving.get(state.line.id)
        live, shadow = self._outcome(state.bundle), self._outcome(state.shadow)
        if before and before[:3] == (state, live, shadow):
            return before
        serves = live.loaded
        if live.problem is not None:
            serves = self._instead(state, before[-1].classifier if before else None)
        return state, live, shadow, _live_line(state, live, shadow, serves)

    def _instead(self, state: _State, before: Classifier | None) -> Loaded | None:
        """What serves while the live bundle cannot: what served before, after a restart what was live before."""
        if before is not None and (loaded := self._loaded.get(before.bundle.hash)) is not None:
            return loaded
        with reading(self._engine) as session:
            served = registry.served_bundles(session, state.line.id)[-2::-1]
            records = [registry.get_bundle(session, bundle_hash) for bundle_hash in served]
        outcomes = (self._outcome(record) for record in records)
        return next((outcome.loaded for outcome in outcomes if outcome.loaded is not None), None)

    def _outcome(self, record: BundleRecord | None) -> _Outcome:
        if record is None:
            return _Outcome()
        until, problem = self._failed.get(record.hash, (0.0, ""))
        if time.monotonic() < until:
            return _Outcome(problem=problem)
        try:
            return _Outcome(loaded=self._ready(record))
        except NotUsable as error:
            self._failed[record.hash] = (time.monotonic() + TRY_AGAIN, str(error))
            return _Outcome(problem=str(error))

    def _ready(self, record: BundleRecord) -> Loaded:
        if (loaded := self._loaded.get(record.hash)) is not None:
            return loaded
        # Two networks that are compiled at once would take memory for three.
        with self._loading:
            if (loaded := self._loaded.get(record.hash)) is None:
                serving, busy = tuple(self._loaded.values()), self._thread.is_alive()
                loaded = behind_others(lambda: self._load(record, serving, busy))
                with self._table:
                    self._loaded = {**self._loaded, record.hash: loaded}
            return loaded

    def _forget(self, states: Sequence[_State]) -> None:
        """Bundles that no line serves any more are let go; requests under way still hold theirs."""
        used = {record.hash for state in states for record in (state.bundle, state.shadow) if record}
        # What serves in the place of a bundle that cannot be loaded stands in no state.
        used |= {c.bundle.hash for *_, line in self._serving.values() if (c := line.classifier) is not None}
        with self._table:
            kept = {key: loaded for key, loaded in self._loaded.items() if key in used | self._held}
            if len(kept) < len(self._loaded):
                self._drained_at = time.monotonic() + DRAINED_AFTER
            self._loaded = kept

    def _give_back(self) -> None:
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self._drained_at = None
            give_back_memory()


def resolve_policy(default: Policy, own: object) -> Policy:
    """The bundle's policy with what the line wants different.

    Raises:
        InvalidPolicy: a setting is unknown or out of range; says which.
    """
    if not isinstance(own, dict):
        raise InvalidPolicy("it must be an object of settings")
    try:
        return Policy.model_validate({**default.model_dump(), **own})
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidPolicy(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _states(session: Session) -> Sequence[_State]:
    live, seeing = registry.live_bundles(session), shadows.list_shadows(session)
    every = lines.list_lines(session)
    fits = list_fits(session) if any(line.budget is not None for line in every) else {}
    return [
        _State(
            line=line,
            classes=tuple(found.name for found in lines.list_classes(session, line.id, retired=False)),
            bundle=live.get(line.id),
            shadow=seeing[line.id].bundle if line.id in seeing else None,
            fits={bundle: settings for (line_id, bundle), settings in fits.items() if line_id == line.id},
        )
        for line in every
    ]


def _live_line(state: _State, live: _Outcome, shadow: _Outcome, serves: Loaded | None) -> LiveLine:
    line, problem = state.line, live.problem
    policy = serves.classifier.bundle.manifest.policy if serves else Policy()
    fitted = state.fits.get(serves.classifier.bundle.hash, {}) if serves else {}
    try:
        policy = resolve_policy(policy, {**line.policy, **fitted})
    except InvalidPolicy as error:  # a setting that a newer Sortline wrote: the bundle's own will do
        problem = problem or str(error)
    found = LiveLine(
        id=line.id,
        name=line.name,
        title=line.title,
        is_default=line.is_default,
        auto_promote=line.auto_promote,
        classes=state.classes,
        policy=policy,
        keep_accepted=line.keep_accepted,
        keep_days=line.keep_days,
        auto_version_labels=line.auto_version_labels,
        auto_probe=line.auto_probe,
        classifier=serves.classifier if serves else None,
        batch=serves.batch if serves else 1,
        problem=problem if live.problem is None else _told(live.problem, line.name, serves is not None),
        shadow=shadow.loaded.classifier if shadow.loaded else None,
        shadow_problem=shadow.problem,
    )
    if serves:
        # Here, on the thread that follows: both read the bundle's files, for which no picture should wait.
        _ = found.detector, found.sets
    return found


def _told(problem: str, line: str, serves: bool) -> str:
    """The problem, with what serves instead and the way out."""
    meanwhile = "the one before goes on serving" if serves else "nothing serves"
    return f"{problem} Meanwhile {meanwhile}; to go back for good: sortline models rollback --line {line}"
