"""The OpenAPI document, made from the endpoints' rows and the classes that check their bodies."""

import re
from typing import Any

from pydantic.json_schema import models_json_schema

from services.gateway.endpoints import ENDPOINTS, Endpoint
from services.runtime.metrics import built_version

REFERENCE = "#/components/schemas/{model}"
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "the first field that is wrong"},
                "code": {"type": "integer", "description": "the HTTP status"},
                "problems": {"type": "array", "items": {"type": "object"}, "description": "every field that is wrong"},
            },
        }
    },
}


def document() -> dict[str, Any]:
    bodies = [(endpoint.body, "validation") for endpoint in ENDPOINTS if endpoint.body]
    _, schemas = models_json_schema(bodies, ref_template=REFERENCE)  # type: ignore[arg-type]
    return {
        "openapi": "3.1.0",
        "info": {"title": "RLHF gateway", "version": built_version()},
        "paths": {_path(endpoint): {endpoint.method.lower(): _operation(endpoint)} for endpoint in ENDPOINTS},
        "components": {
            "schemas": {**schemas["$defs"], "Error": ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _path(endpoint: Endpoint) -> str:
    return re.sub(r":\w+}", "}", endpoint.path)


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", endpoint.path)
    ]
    operation: dict[str, Any] = {
        "operationId": endpoint.answer.__name__,
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "the answer", "content": {"application/json": {"schema": {"type": "object"}}}},
            "default": _content("what is wrong", "Error"),
        },
    }
    if endpoint.body:
        operation["requestBody"] = {"required": True, **_content("", endpoint.body.__name__)}
    return operation


def _content(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": REFERENCE.format(model=schema)}}}
    return {"content": content, **({"description": description} if description else {})}
