"""The one exception of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class HttpError(Exception):
    """A message that is answered with another status than success; a client that receives such a message gives up.

    ``fields`` go into the response beside those that every response has.
    """

    def __init__(self, status: HTTPStatus, detail: str = "", fields: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status.value} {status.phrase}" + (f": {detail}" if detail else ""))
        self.status = status
        self.fields = fields or {}


def bad_request(detail: str) -> HttpError:
    """What something is answered with that is no HTTP."""
    return HttpError(HTTPStatus.BAD_REQUEST, detail)
