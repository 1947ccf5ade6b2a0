"""`/api`: the reference of the API as a page, made from the same description as `/openapi.json`. It needs no script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse

from web.context import render_template

if TYPE_CHECKING:
    from collections.abc import Iterator


LIMITS = (("minimum", "from"), ("maximum", "to"))


@dataclass(frozen=True, slots=True)
class ParameterHelp:
    """A parameter: its name, values, default and meaning as text."""

    name: str
    values: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class EndpointHelp:
    """An address that can be asked: its method, anchor, meaning, parameters, and the media types of its answer."""

    method: str
    path: str
    anchor: str
    meaning: str
    parameters: tuple[ParameterHelp, ...]
    media_types: tuple[str, ...]

    @property
    def example(self) -> str | None:
        """The path as a link; None if it has parts to fill in."""
        return None if "{" in self.path or self.method != "GET" else self.path


def router(app: FastAPI) -> APIRouter:
    """Return the route of the reference."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/api", methods=["GET", "HEAD"])
    def reference() -> HTMLResponse:
        return HTMLResponse(render_template("api.html", endpoints=[*describe_endpoints(app.openapi())]))

    return routes


def describe_endpoints(document: dict[str, Any]) -> Iterator[EndpointHelp]:
    """Yield the endpoints of an OpenAPI document, sorted by their paths."""
    schemas = document["components"]["schemas"]
    for path, methods in sorted(document["paths"].items()):
        name = path.strip("/").replace("/", "-").translate({ord("{"): None, ord("}"): None, ord("."): "-"})
        for method, operation in methods.items():
            answer = next(answer for code, answer in operation["responses"].items() if code.startswith("2"))
            yield EndpointHelp(
                method.upper(),
                path,
                name if method == "get" else f"{name}-{method}",
                operation.get("description", ""),
                tuple(_describe_parameter(parameter, schemas) for parameter in _list_parameters(operation, schemas)),
                tuple(answer.get("content", {})),
            )


def _list_parameters(operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the parameters of the address, then the fields of the body."""
    yield from operation.get("parameters", ())
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    fields = schemas[body["$ref"].rpartition("/")[2]]["properties"] if "$ref" in body else {}
    for name, schema in fields.items():
        yield {"name": name, "schema": schema, "description": schema.get("description", "")}


def _describe_parameter(parameter: dict[str, Any], schemas: dict[str, Any]) -> ParameterHelp:
    schema = parameter["schema"]
    default = schema.get("default")
    return ParameterHelp(
        parameter["name"],
        _describe_values(schema, schemas),
        "" if default is None else str(default).lower() if isinstance(default, bool) else str(default),
        parameter.get("description", ""),
    )


def _describe_values(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return what a parameter may be: "integer from 1 to 3660"."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    kind = schemas[kinds[0]["$ref"].rpartition("/")[2]] if "$ref" in kinds[0] else kinds[0]
    if "enum" in kind:
        return ", ".join(kind["enum"])
    if kind.get("type") == "array":
        return f"{_describe_values(kind['items'], schemas)}, can be repeated"
    name = "time" if kind.get("format") == "date-time" else "text" if kind["type"] == "string" else kind["type"]
    return " ".join([name, *(f"{word} {kind[limit]}" for limit, word in LIMITS if limit in kind)])
