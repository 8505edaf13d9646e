"""Classify: from the bytes of a picture to an answer that is already recorded.

    event loop            inference thread                         recorder thread
    classify() ──job──▶   decode, infer, route,      ──sight──▶    pictures to disk, one commit a group
         ▲                canonical bytes if review                        │
         └──────────────────────── answer ─────────────────────────────────┘

An answer leaves only after its group is committed; if that fails, the caller gets the error and nothing is counted.
After that the line's shadow may see the picture, too.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sortline.db.ids import new_id
from sortline.engine.canonical import canonical
from sortline.engine.image import DEFAULT_LIMITS, Limits
from sortline.engine.routing import Route, Verdict, lot, route
from sortline.flows.record import Sight
from sortline.monitoring.recorded import RecordedPrediction
from sortline.serving.inference import Inference, Inferred, Job
from sortline.serving.live import LiveLine
from sortline.serving.recorder import Entry, Recorder
from sortline.serving.shadow import Shadow


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a picture came from: `source` names a way or a device, `client` is its network address."""

    source: str
    client: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a caller is told; `latency_ms` is from submission until the recorder has it, as it is recorded."""

    id: str
    at: datetime
    line: LiveLine
    inferred: Inferred
    route: Route
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyPath:
    """The threads a picture passes through."""

    inference: Inference
    recorder: Recorder[Sight]
    shadow: Shadow | None = None
    limits: Limits = DEFAULT_LIMITS

    async def classify(
        self, line: LiveLine, data: bytes | memoryview, origin: Origin, *, explain: bool = False
    ) -> Answer:
        """The recorded answer for one picture. A view is released once it was read, unless a shadow is to read it.

        Raises:
            NoModel: the line has no live bundle.
            ImageError: the picture cannot be read; nothing is counted.
            DatabaseUnavailable, StorageUnavailable: it could not be recorded, so there is no answer.
        """
        _ = line.model  # raises here, on the caller's side, never on an inference thread
        passage = _Passage(self.recorder, line, data, origin)
        job = Job(
            line=line,
            data=data,
            done=passage.inferred,
            failed=passage.failed,
            explain=explain,
            limits=self.limits,
        )
        self.inference.submit(job)
        answer = await passage.answered
        if self.shadow is not None and line.shadow is not None:
            self.shadow.offer(line, data, answer.inferred.prediction)
        return answer


class _Passage:
    """One picture on its way; its methods are called by the thread that has it."""

    def __init__(
        self, recorder: Recorder[Sight], line: LiveLine, data: bytes | memoryview, origin: Origin
    ) -> None:
        self._recorder, self._line, self._data, self._origin = recorder, line, data, origin
        self._loop = asyncio.get_running_loop()
        self._begun = time.perf_counter()
        self.answered: asyncio.Future[Answer] = self._loop.create_future()

    def inferred(self, inferred: Inferred) -> None:
        """Route it and hand it to the recorder (on an inference thread)."""
        try:
            answer, sight = self._decide(inferred)
        except Exception as error:  # noqa: BLE001  # a fault here must reach the caller, not end the thread
            return self.failed(error)
        self._let_go()

        def settled(error: Exception | None) -> None:
            self._tell(error, answer)

        return self._recorder.submit(Entry(sight, settled))

    def failed(self, error: Exception) -> None:
        """There will be no answer but this error."""
        self._tell(error, None)

    def _decide(self, inferred: Inferred) -> tuple[Answer, Sight]:
        prediction, at, prediction_id = inferred.prediction, datetime.now(UTC), new_id()
        chosen = route(prediction, self._line.policy, prediction_id=prediction_id)
        recorded = RecordedPrediction(
            id=prediction_id,
            line_id=self._line.id,
            at=at,
            class_name=prediction.class_name,
            confidence=prediction.confidence,
            verdict=chosen.verdict,
            reason=chosen.reason,
            ood_score=prediction.ood_score,
            energy=prediction.energy,
            bundle_hash=self._line.model.bundle.hash,
            latency_ms=self._elapsed_ms(),
            source=self._origin.source,
        )
        kept = chosen.verdict is Verdict.REVIEW or self._keeps(prediction_id)
        picture = canonical(self._data) if kept else None
        sight = Sight(recorded=recorded, prediction=prediction, picture=picture, client=self._origin.client)
        answer = Answer(
            id=prediction_id,
            at=at,
            line=self._line,
            inferred=inferred,
            route=chosen,
            latency_ms=recorded.latency_ms,
        )
        return answer, sight

    def _let_go(self) -> None:
        """The body's memory is free for another's, while the group that this one is of waits and is written."""
        if isinstance(self._data, memoryview) and self._line.shadow is None:
            with suppress(BufferError):  # this thread must live on, should a decoder ever look at it still
                self._data.release()

    def _keeps(self, prediction_id: str) -> bool:
        """Whether an accepted picture is among those that the line keeps."""
        share = self._line.keep_accepted
        return share > 0 and lot(prediction_id, "keep") < share

    def _elapsed_ms(self) -> float:
        return round((time.perf_counter() - self._begun) * 1000, 2)

    def _tell(self, error: Exception | None, answer: Answer | None) -> None:
        self._loop.call_soon_threadsafe(self._settle, error, answer)

    def _settle(self, error: Exception | None, answer: Answer | None) -> None:
        answered = self.answered
        del self.answered  # an error's traceback will hold this passage, so it must not hold the error
        if answered.done():  # the caller has gone
            return
        if error is not None:
            answered.set_exception(error)
        elif answer is not None:
            answered.set_result(answer)
