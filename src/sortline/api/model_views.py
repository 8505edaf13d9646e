"""How bundles and promotions are asked for, and how they read."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from sortline.api.answers import Model, timestamp
from sortline.api.parameters import REFERENCE
from sortline.db.session import Session
from sortline.engine.routing import Name
from sortline.flows.bundles_of_line import Standing, State
from sortline.registry import store as registry
from sortline.registry.ledger import Promotion
from sortline.registry.shadows import Seen

Reference = Annotated[
    str,
    Path(
        pattern=REFERENCE,
        description="A bundle's hash or its first 6 characters at least; or `live`, `shadow`, `previous`.",
    ),
]
Reason: TypeAlias = Annotated[Name, Field(max_length=2000)]


class DatasetView(BaseModel):
    """What a bundle was trained on: a version's name and the hash of its pictures, labels and splits."""

    version: str
    hash: str


class ModelView(BaseModel):
    """A bundle that could serve the line, or does."""

    name: str
    hash: str
    state: State = Field(
        description="live: the ledger says that it answers; shadow: it sees the same and does not answer; previous: it "
        "was live; candidate: it could be; known: the line has nothing to do with it yet."
    )
    serving: bool = Field(description="Whether it answers on this server.")
    problem: str | None = Field(description="Why it cannot serve here though it should.")
    classes: list[str]
    metrics: dict[str, Any]
    dataset: DatasetView | None
    offered_by: str | None
    offered_at: str | None


class ModelPage(BaseModel):
    """Bundles, newest first, and the cursor of the next page."""

    models: list[ModelView]
    live: str | None = Field(description="Hash of the bundle that should answer, as the ledger says.")
    serving: str | None = Field(description="Hash of the one that does on this server.")
    shadow: str | None
    problem: str | None = Field(description="Why the two differ, and the way out.")
    next_cursor: str | None


class DisagreementView(BaseModel):
    """How often the live bundle said one class and the shadow another."""

    live: str
    shadow: str
    n: int


class SeenView(BaseModel):
    """What a bundle saw as the shadow of another."""

    live: str = Field(description="Hash of the bundle that answered.")
    pictures: int
    agreed: int
    dropped: int = Field(description="Pictures it was spared, because the server had enough to do.")
    disagreements: list[DisagreementView] = Field(description="Most frequent first.")


class ModelDetail(ModelView):
    """A bundle with what it is made of and what it saw as a shadow."""

    backbone: str | None = Field(description="Bundles of the same one differ in their head alone.")
    recipe: dict[str, Any] | None
    licences: dict[str, str] | None
    shadowed: list[SeenView]


class PromotionView(BaseModel):
    """An entry of the ledger: what was made live, trained on which labels, by whom, why, on what evidence."""

    id: int
    line: str
    action: Literal["promote", "rollback"]
    model: Model
    dataset: DatasetView | None
    who: str
    reason: str
    evidence: dict[str, Any]
    at: str


class PromotionPage(BaseModel):
    """Entries, newest first, and the cursor of the next page."""

    promotions: list[PromotionView]
    next_cursor: str | None


class Wanted(BaseModel):
    """How a bundle is to be promoted."""

    model_config = ConfigDict(extra="forbid")

    run: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        default=None, description="The run whose comparison speaks for it; none: the newest that made it."
    )
    force: bool = Field(default=False, description="Without a comparison that speaks for it; give a reason.")
    reason: Reason = ""


class RollbackWanted(BaseModel):
    """Why a bundle is rolled back."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = ""


class ShadowWanted(BaseModel):
    """Whether a bundle is to be the shadow."""

    model_config = ConfigDict(extra="forbid")

    on: bool = True


def model_fields(standing: Standing) -> dict[str, Any]:
    """The fields of a `ModelView`."""
    record, candidate, manifest = standing.bundle, standing.candidate, standing.manifest
    return {
        "name": record.name,
        "hash": record.hash,
        "state": standing.state,
        "serving": standing.serving,
        "problem": standing.problem,
        "classes": list(record.classes),
        "metrics": dict(record.metrics),
        "dataset": dataset_of(manifest),
        "offered_by": candidate.who if candidate else None,
        "offered_at": timestamp(candidate.at) if candidate else None,
    }


def seen_view(seen: Seen) -> SeenView:
    """What it saw, as it reads."""
    return SeenView(
        live=seen.live_hash,
        pictures=seen.pictures,
        agreed=seen.agreed,
        dropped=seen.dropped,
        disagreements=[
            DisagreementView(live=one.live_class, shadow=one.shadow_class, n=one.n)
            for one in seen.disagreements
        ],
    )


def promotion_views(session: Session, line: str, entries: Iterable[Promotion]) -> list[PromotionView]:
    """Entries as they read, with what their bundles were trained on."""
    entries = list(entries)
    bundles = registry.get_bundles(session, {entry.bundle_hash for entry in entries})
    return [
        PromotionView(
            id=entry.id,
            line=line,
            action=entry.action,
            model=Model(name=bundles[entry.bundle_hash].name, hash=entry.bundle_hash),
            dataset=dataset_of(bundles[entry.bundle_hash].document),
            who=entry.who,
            reason=entry.reason,
            evidence=dict(entry.evidence),
            at=timestamp(entry.at),
        )
        for entry in entries
    ]


def dataset_of(manifest: Mapping[str, Any] | None) -> DatasetView | None:
    """What a bundle was trained on, as its manifest says."""
    return DatasetView(**manifest["dataset"]) if manifest else None
