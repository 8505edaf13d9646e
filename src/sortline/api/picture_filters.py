"""Which pictures a caller means: the conditions that lists, versions and exports have in common."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sortline.api.calls import InvalidParameter
from sortline.api.parameters import MAX_PAGE, ClassName, SplitName, Words, moment, split_of
from sortline.catalogue.entry import UNLABELLED, EntryFilter
from sortline.db.session import Session
from sortline.lines.classes import resolve_class

VersionRef = Annotated[Words, Field(min_length=1, description="A version's number or name, or `active`.")]


class Conditions(BaseModel):
    """Every condition given must hold."""

    model_config = ConfigDict(populate_by_name=True)

    class_: ClassName | None = Field(default=None, alias="class", description="Former names lead to today's.")
    split: SplitName | None = None
    source: Words | None = None
    text: Words | None = Field(default=None, description="Stands in the name, whatever the case.")
    since: datetime | None = Field(default=None, description="Added then or later.")
    until: datetime | None = Field(default=None, description="Added before then.")
    group: int | None = Field(default=None, ge=0, lt=10**18, description="Of this group of near-duplicates.")
    import_: str | None = Field(
        default=None, alias="import", pattern=r"^[0-9a-f]{32}$", description="Came with this import."
    )

    def of_line(self, session: Session, line_id: int, *, unlabelled: bool = False) -> EntryFilter:
        """The filter for a line.

        Raises:
            UnknownClass: the line has no such class.
            InvalidParameter: conditions contradict each other, or a moment cannot be counted from.
        """
        if unlabelled and self.class_ is not None:
            raise InvalidParameter("unlabelled", "true", "not to be given with class")
        class_id = None if self.class_ is None else resolve_class(session, line_id, self.class_).id
        return EntryFilter(
            class_id=UNLABELLED if unlabelled else class_id,
            split=None if self.split is None else split_of(self.split),
            source=self.source,
            text=self.text,
            since=moment("since", self.since),
            until=moment("until", self.until),
            import_id=self.import_,
            group=self.group,
        )


class PictureQuery(Conditions):
    """A page of the pictures that meet the conditions."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE, description="How many a page has at most.")
    cursor: str | None = Field(
        default=None, description="`next_cursor` of the page before; none for the first."
    )


class LineQuery(PictureQuery):
    """The same, of a line or of one of its versions."""

    unlabelled: bool = Field(default=False, description="Only pictures without a label.")
    version: VersionRef | None = Field(
        default=None,
        description="Members of a version, with their class and split there: a number or a name.",
    )
