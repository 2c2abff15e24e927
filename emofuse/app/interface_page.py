"""The documentation of the interface as a page, made of its OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape


@dataclass(frozen=True)
class Field:
    """A parameter or an attribute."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Endpoint:
    """What can be asked."""

    method: str
    path: str
    summary: str
    fields: tuple[Field, ...]
    answers: tuple[tuple[str, str, str], ...]


def interface_page(description: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        description: as OpenAPI has it.
    """
    environment = Environment(
        loader=PackageLoader("emofuse.app"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    schemas = description.get("components", {}).get("schemas", {})
    return environment.get_template("interface.html.j2").render(
        title=description["info"]["title"],
        endpoints=list(_endpoints(description, schemas)),
        models={
            name: list(_fields(schema))
            for name, schema in schemas.items()
            if not name.startswith(("Body_", "HTTPValidation", "ValidationError"))
        },
    )


def _endpoints(description: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[Endpoint]:
    for path, methods in description["paths"].items():
        for method, about in methods.items():
            body = about.get("requestBody", {}).get("content", {}).get("multipart/form-data", {})
            schema = _followed(body.get("schema", {}), schemas)
            parameters = [
                Field(p["name"], _kind(p["schema"]), p.get("required", False), p.get("description", ""))
                for p in about.get("parameters", [])
            ]
            yield Endpoint(
                method.upper(),
                path,
                about.get("summary", ""),
                (*parameters, *_fields(schema)),
                tuple(_answers(about.get("responses", {}))),
            )


def _answers(responses: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, about in sorted(responses.items()):
        schema = about.get("content", {}).get("application/json", {}).get("schema", {})
        yield status, _kind(schema) if schema else "", about.get("description", "")


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    for name, about in schema.get("properties", {}).items():
        yield Field(name, _kind(about), name in schema.get("required", ()), about.get("description", ""))


def _followed(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = schemas.get(name, schema)
    return found


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"text → {_kind(schema['additionalProperties'])}"
    names = {"string": "text", "boolean": "true or false", "null": "null", "number": "number"}
    kind = str(schema.get("type", "anything"))
    if "contentMediaType" in schema or schema.get("format") == "binary":
        return "file"
    return names.get(kind, kind)
