"""The events and responses of API Gateway's Lambda proxy integration: the fields that this API reads and writes."""

from __future__ import annotations

import base64

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ProxyEvent(Wire):
    body: str | None = None
    is_base64_encoded: bool = False

    @property
    def content(self) -> str | bytes:
        if self.body is None:
            return ""
        return base64.b64decode(self.body) if self.is_base64_encoded else self.body


class RestEvent(ProxyEvent):
    """Of a REST API: payload format 1.0."""

    http_method: str
    path: str


class HttpDescription(Wire):
    method: str
    path: str


class HttpRequestContext(Wire):
    http: HttpDescription


class HttpEvent(ProxyEvent):
    """Of an HTTP API or a function URL: payload format 2.0."""

    request_context: HttpRequestContext

    @property
    def http_method(self) -> str:
        return self.request_context.http.method

    @property
    def path(self) -> str:
        return self.request_context.http.path


class ProxyAnswer(Wire):
    status_code: int
    headers: dict[str, str]
    body: str
