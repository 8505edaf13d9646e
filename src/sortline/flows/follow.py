"""Following the database: what the ledger says is live is what this server serves, at most a second later."""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from sqlalchemy import Engine

from sortline.db.session import Session, reading
from sortline.engine.classifier import Classifier
from sortline.engine.routing import Policy
from sortline.errors import SortlineError
from sortline.lines import store as lines
from sortline.lines.line import Line
from sortline.registry import store as registry
from sortline.registry.ledger import BundleRecord
from sortline.serving.live import LiveLine, LiveLines

log = logging.getLogger(__name__)

INTERVAL = 1.0
# Seconds until a bundle that could not be loaded is tried again: the disk may have been full.
TRY_AGAIN = 60.0


class InvalidPolicy(SortlineError):
    """A policy with a setting that does not exist or a value out of range."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The policy is not valid: {problem}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A bundle ready to serve, and the batch size that is fastest for it here."""

    classifier: Classifier
    batch: int


@dataclass(frozen=True, slots=True)
class _State:
    """What a line's service follows from; while it stays equal, so does its `LiveLine`."""

    line: Line
    classes: tuple[str, ...]
    bundle: BundleRecord | None


class Follower:
    """Keeps `LiveLines` as the database says. `load` gives a bundle's classifier, warm, and may take seconds."""

    def __init__(self, engine: Engine, live: LiveLines, load: Callable[[BundleRecord], Loaded]) -> None:
        self._engine, self._live, self._load = engine, live, load
        self._serving: dict[int, tuple[_State, LiveLine]] = {}
        self._loaded: dict[str, Loaded] = {}
        self._try_again: dict[int, float] = {}
        self._one = threading.Lock()
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
            serving = {state.line.id: (state, self._line(state)) for state in states}
            if [line for _, line in serving.values()] != [line for _, line in self._serving.values()]:
                self._live.replace(line for _, line in serving.values())
            self._serving = serving
            used = {state.bundle.hash for state in states if state.bundle}
            self._loaded = {key: loaded for key, loaded in self._loaded.items() if key in used}

    def _follow(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.refresh()
            except SortlineError as error:
                log.warning("cannot follow the database just now: %s", error)
            except Exception:
                # Whatever it is, the thread must live on: without it, no change would ever be served again.
                log.exception("following the database failed; it is tried again")

    def _line(self, state: _State) -> LiveLine:
        before = self._serving.get(state.line.id)
        if before and before[0] == state and time.monotonic() < self._try_again.get(state.line.id, math.inf):
            return before[1]
        self._try_again.pop(state.line.id, None)
        try:
            return self._fresh(state)
        except Exception as error:  # a native library may raise anything; the other lines serve all the same
            log.exception("line %s: its live bundle cannot be loaded", state.line.name)
            self._try_again[state.line.id] = time.monotonic() + TRY_AGAIN
            return _troubled(state, before[1] if before else None, str(error))

    def _fresh(self, state: _State) -> LiveLine:
        line, bundle = state.line, state.bundle
        loaded = None
        if bundle is not None:
            loaded = self._loaded.get(bundle.hash) or self._load(bundle)
            self._loaded[bundle.hash] = loaded
        default = loaded.classifier.bundle.manifest.policy if loaded else Policy()
        return LiveLine(
            id=line.id,
            name=line.name,
            title=line.title,
            is_default=line.is_default,
            classes=state.classes,
            policy=resolve_policy(default, line.policy),
            classifier=loaded.classifier if loaded else None,
            batch=loaded.batch if loaded else 1,
        )


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
    bundles = registry.live_bundles(session)
    return [_State(line, _classes(session, line), bundles.get(line.id)) for line in lines.list_lines(session)]


def _classes(session: Session, line: Line) -> tuple[str, ...]:
    return tuple(found.name for found in lines.list_classes(session, line.id, retired=False))


def _troubled(state: _State, before: LiveLine | None, problem: str) -> LiveLine:
    """The line as it served before, with what is wrong; without a model where it never served."""
    line = state.line
    return LiveLine(
        id=line.id,
        name=line.name,
        title=line.title,
        is_default=line.is_default,
        classes=state.classes,
        policy=before.policy if before else Policy(),
        classifier=before.classifier if before else None,
        batch=before.batch if before else 1,
        problem=problem,
    )
