"""Pictures deleted for good: what shows them goes, what counts them stays."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from sortline.api.access import Scope, require
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.parameters import Hash, Words
from sortline.catalogue.store.entries import get_entry
from sortline.db.session import reading
from sortline.flows import erase as erasing

router = APIRouter(
    prefix="/api/v1/lines/{line}/images", tags=["images"], dependencies=[Depends(require(Scope.ADMIN))]
)


class Origin(BaseModel):
    """Where the pictures came from."""

    model_config = ConfigDict(extra="forbid")

    source: Words = Field(min_length=1, examples=["belt-3"])


class Erased(BaseModel):
    """What was erased, on every line. Memberships and counts stay."""

    erased: int
    already: int = Field(description="Those that were erased before.")
    places: list[str] = Field(
        description="Files outside the data folder where erased pictures lay: whoever put them there deletes them."
    )


class Forgotten(Erased):
    """What was erased of a source."""

    predictions: int = Field(
        description="Single predictions of the line that were forgotten; their counts stay."
    )


@router.delete("/{sha256}", summary="Erase a picture")
def erase_image(line: str, sha256: Hash, services: ServicesDep, live: LineDep) -> Erased:
    """The picture is gone for good, with its thumbnails and whatever describes it; that it was there stays known."""
    with reading(services.engine) as session:
        get_entry(session, live.id, sha256)
    installation = services.installation
    done = erasing.erase(services.engine, installation.blobs, installation.thumbnails, [sha256])
    return _told(done)


@router.post("/erase", summary="Erase everything from a source")
def erase_source(line: str, what: Origin, services: ServicesDep, live: LineDep) -> Forgotten:
    """Whatever came to the line from this source is gone for good: catalogued pictures, those that were set aside,
    accepted ones that were kept, and single predictions.
    """
    installation = services.installation
    done = erasing.erase_source(
        services.engine, installation.blobs, installation.thumbnails, live.id, what.source
    )
    return Forgotten(**_told(done).model_dump(), predictions=done.predictions)


def _told(done: erasing.Erased) -> Erased:
    return Erased(erased=len(done.erased), already=len(done.already), places=list(done.places))
