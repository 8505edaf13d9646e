"""The built web app: its page, fresh for each visit, and its files, which never change under their names."""

import re
import secrets
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from sortline.api.headers import page_policy

FOLDER = Path(__file__).parent / "webapp"
# Stands in index.html wherever a nonce belongs; see frontend/vite.config.ts.
PLACEHOLDER = b"SORTLINE_NONCE"
NOT_BUILT = (
    b"<!doctype html><title>Sortline</title><p>The web app is not built here: run <code>make up</code>, or "
    b"<code>python frontend/build.py</code>. <a href='/api/docs'>The API</a> serves all the same."
)
# Under these a path that names nothing is a mistake, not a page of the app.
_NEVER_PAGES = re.compile(r"/(api|assets|static|v2|health|metrics)(/|$)")
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_YEAR = "public, max-age=31536000, immutable"


class WebApp(StaticFiles):
    """What answers where no route does: a file of the app, or its page for a browser that asks for a document."""

    def __init__(self, folder: Path = FOLDER) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._folder = folder
        self._page: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request that no route took."""
        if scope["type"] != "http":
            return
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(404)
        await self._found(scope)(scope, receive, send)

    def index(self) -> Response:
        """The app's page with a nonce of its own."""
        if self._page is None:
            path = self._folder / "index.html"
            if not path.exists():
                return HTMLResponse(NOT_BUILT, status_code=503, headers={"Cache-Control": "no-store"})
            self._page = path.read_bytes()
        nonce = secrets.token_urlsafe(16)
        headers = {
            "Cache-Control": "no-cache",
            "Vary": "Accept",
            "Content-Security-Policy": page_policy(nonce),
        }
        return HTMLResponse(self._page.replace(PLACEHOLDER, nonce.encode()), headers=headers)

    def _found(self, scope: Scope) -> Response:
        path, headers = scope["path"], Headers(scope=scope)
        # The compressed copies, the stamp and the page itself are never asked for by name.
        if not path.endswith((".br", ".gz", ".json", ".html")) and (file := self._file(path)):
            return self._sent(path, file, headers.get("accept-encoding", ""))
        if "text/html" in headers.get("accept", "") and not _NEVER_PAGES.match(path):
            return self.index()
        raise HTTPException(404)

    def _file(self, path: str) -> Path | None:
        """The file of that path, if it is one of ours: `lookup_path` refuses whatever leads out of the folder."""
        try:
            full, status = self.lookup_path(path.lstrip("/"))
        except (OSError, ValueError):
            return None
        return Path(full) if status and Path(full).is_file() else None

    def _sent(self, path: str, file: Path, accepted: str) -> Response:
        headers = {
            "Cache-Control": _YEAR if path.startswith("/assets/") else "no-cache",
            "Vary": "Accept-Encoding",
        }
        kind = FileResponse(file).media_type
        for name, suffix in _ENCODINGS:
            packed = file.with_name(file.name + suffix)
            if _accepts(accepted, name) and packed.exists():
                return FileResponse(packed, media_type=kind, headers=headers | {"Content-Encoding": name})
        return FileResponse(file, media_type=kind, headers=headers)


def _accepts(header: str, encoding: str) -> bool:
    """Whether an Accept-Encoding header takes the encoding; one with q=0 is refused by name."""
    for part in header.lower().split(","):
        name, _, parameters = part.strip().partition(";")
        if name.strip() == encoding:
            return not re.search(r"q\s*=\s*0(\.0*)?\s*$", parameters)
    return False
