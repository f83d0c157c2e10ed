"""HTTP/1.1 (RFC 9110, RFC 9112): a server of a directory, a client, and ``http`` traffic."""

from scenarios.applications.http.client import fetch
from scenarios.applications.http.server import serve_http

__all__ = ["fetch", "serve_http"]
