"""Everything an installation can be told, by `SORTLINE_…` variables or the command line; all have working defaults."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Settings(BaseSettings):
    """One installation. Names in capitals behind `SORTLINE_` set them; a setting unknown here is ignored."""

    model_config = SettingsConfigDict(env_prefix="SORTLINE_", frozen=True, populate_by_name=True)

    data_dir: Path = Field(
        default=Path("sortline-data"), description="Where the embedded database and pictures lie."
    )
    database_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("SORTLINE_DATABASE_URL", "DATABASE_URL"),
        description="PostgreSQL or SQLite by URL; SQLite in the data folder if unset.",
    )
    blobs_url: str | None = Field(
        default=None,
        description="Where pictures lie, by URL: s3, gs, az, file or memory; `blobs` in the data folder if unset.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("SORTLINE_PORT", "PORT"),
        description="Port to listen on.",
    )
    insecure: bool = Field(
        default=False, description="Whoever reaches the address may do everything, without signing in."
    )
    trust: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Address ranges whose callers need no key, and what they may do; spaces between them.",
    )
    rate_limit: str | None = Field(
        default=None,
        description="Requests that a key, a person or an address may make, as in 600/minute; any number if unset.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Host names, besides loopback's, that requests may name; commas between them."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins of web pages that may call; loopback's on classify routes if unset."
    )
    runtime: str = Field(
        default="auto", description="Inference runtime; auto measures and keeps the fastest."
    )
    threads: int = Field(
        default=0, ge=0, description="Threads that decode and infer; 0 takes two for each core."
    )
    max_requests: int = Field(
        default=256, ge=1, description="Classify requests held at once; the next is answered 503."
    )
    max_request_bytes: int = Field(
        default=256 * 1024 * 1024, ge=1, description="Bytes of pictures held at once, in all requests."
    )
    max_upload_bytes: int = Field(
        default=32 * 1024**3,
        ge=1,
        description="Bytes of one archive sent for an import, which goes to the disk.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe message that is logged; debug logs every request."
    )

    @field_validator("allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _entries(cls, value: object) -> object:
        """Commas separate the entries of a variable that holds several."""
        if not isinstance(value, str):
            return value
        return tuple(entry.strip().lower().rstrip(".") for entry in value.split(",") if entry.strip())

    @field_validator("trust", mode="before")
    @classmethod
    def _ranges(cls, value: object) -> object:
        """Spaces separate ranges, since commas stand within one."""
        return tuple(value.split()) if isinstance(value, str) else value

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'sortline.db'}"

    @property
    def inference_threads(self) -> int:
        """How many threads decode and infer.

        Two a core: while one waits for the interpreter or to be woken, the other works (measured in
        float32 at 50 clients on 2 cores: 0.90 of the throughput of a bare loop of 2 threads with 2, 0.93 with 3, 0.96
        with 4).
        """
        return self.threads or 2 * available_cores()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address listened on."""
        return self.host in LOOPBACK_NAMES or self.host.startswith("127.")


def available_cores() -> int:
    """Cores this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
