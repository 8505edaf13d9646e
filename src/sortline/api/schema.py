"""`python -m sortline.api.schema` prints the OpenAPI document that the web app's types are generated from.

No server runs for it; its keys are sorted and its version constant, so that it changes only when the API does.
"""

import json
import sys
from pathlib import Path
from typing import Any

from sortline.api.app import create_app
from sortline.settings import Settings


def document() -> dict[str, Any]:
    """The API's description, without what changes from release to release."""
    found = create_app(Settings(data_dir=Path("unused"))).openapi()
    return found | {"info": found["info"] | {"version": "0"}}


def text() -> str:
    """The document as it stands in frontend/openapi.json."""
    return json.dumps(document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
