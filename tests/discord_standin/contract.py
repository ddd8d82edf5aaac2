"""What goes over the stand-in, held against Discord's official description of its HTTP API.

The description lies beside the repository (`../shared/discord/openapi.json`); where it is not, nothing is checked. Of
the gateway it says nothing, but the objects in the events are those of the REST API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from bot.playground.protocol import Request

from .schemas import Schemas

DESCRIPTION = Path(__file__).parents[3] / "shared" / "discord" / "openapi.json"
ROOT = "urn:discord"
METHODS = ("get", "post", "put", "patch", "delete")
# The event -> what of it is an object of the REST API: the way to it ("*" for each of many) and its schema.
EVENTS: dict[str, dict[str, str]] = {
    "READY": {"user": "UserPIIResponse"},
    "GUILD_CREATE": {
        "channels/*": "GuildChannelResponse",
        "threads/*": "ThreadResponse",
        "roles/*": "GuildRoleResponse",
        "members/*": "GuildMemberResponse",
    },
    "CHANNEL_CREATE": {"": "GuildChannelResponse"},
    "CHANNEL_UPDATE": {"": "GuildChannelResponse"},
    "CHANNEL_DELETE": {"": "GuildChannelResponse"},
    "THREAD_CREATE": {"": "ThreadResponse"},
    "INTERACTION_CREATE": {
        "message": "MessageResponse",
        "user": "UserResponse",
        "member/user": "UserResponse",
        "data/resolved/users/*": "UserResponse",
        "data/resolved/messages/*": "MessageResponse",
        "data/resolved/attachments/*": "MessageAttachmentResponse",
    },
}


@dataclass(frozen=True)
class Violation:
    """side: "request" of the bot, "answer" or "event" of the stand-in; where: method and path, or the event's name."""

    side: str
    where: str
    what: str


@dataclass(frozen=True)
class Operation:
    pattern: re.Pattern[str]
    body: Any


@cache
def described() -> tuple[Registry[Any], dict[str, list[Operation]]]:
    """The description's schemas, and its operations by method; those with fewer parameters come first."""
    document = loosened(json.loads(DESCRIPTION.read_text()))
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    operations: dict[str, list[Operation]] = {method: [] for method in METHODS}
    for path in sorted(document["paths"], key=lambda path: path.count("{")):
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "$")
        for method in METHODS:
            if method in document["paths"][path]:
                operations[method].append(Operation(pattern, document["paths"][path][method]))
    return Registry().with_resource(ROOT, resource), operations


def loosened(document: Any) -> Any:
    """The description where Discord's documents, or Discord itself, are milder.

    A new file's id is a number, `recipient_id` may be one, `channel_types` knows media channels, commands have `nsfw`,
    permissions are a text, and so are the codes in the tree of a 50035. discord.py sends `tts` with every edit,
    whatever a bot does. What fits several branches of a oneOf is taken.
    """

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(child) for child in node]
        if not isinstance(node, dict):
            return node
        return {"anyOf" if key == "oneOf" else key: walk(child) for key, child in node.items()}

    document = walk(document)
    schemas = document["components"]["schemas"]
    snowflake = {"anyOf": [{"$ref": "#/components/schemas/SnowflakeType"}, {"type": "integer"}]}
    for name, schema in schemas.items():
        properties = schema.get("properties", {})
        if name.endswith("AttachmentRequest"):
            properties["id"] = snowflake
        if name.endswith("Request") and "default_member_permissions" in properties:
            properties["nsfw"] = {"type": ["boolean", "null"]}
            properties["default_member_permissions"] = {"type": ["integer", "string", "null"]}
    schemas["CreatePrivateChannelRequest"]["properties"]["recipient_id"] = snowflake
    for name in ("MessageEditRequestPartial", "IncomingWebhookUpdateRequestPartial"):
        schemas[name]["properties"]["tts"] = {"type": "boolean"}
    schemas["ChannelTypes"]["anyOf"].append({"const": 16})
    schemas["GuildChannelResponse"]["properties"]["type"]["enum"].append(16)
    schemas["MessageReferenceType"]["anyOf"].append({"const": 1})  # forwarded
    schemas["InnerErrors"] = {  # whose codes are words, "BASE_TYPE_REQUIRED", in the documents
        "type": "object",
        "properties": {"_errors": {"type": "array", "items": {"required": ["code", "message"]}}},
        "required": ["_errors"],
    }
    return absolute(document)


def absolute(node: Any) -> Any:
    """References that hold wherever they stand."""
    if isinstance(node, list):
        return [absolute(child) for child in node]
    if not isinstance(node, dict):
        return node
    return {
        key: ROOT + child if key == "$ref" and isinstance(child, str) else absolute(child)
        for key, child in node.items()
    }


@cache
def validator(schema: str) -> Draft202012Validator:
    """schema: JSON, so that each is compiled once."""
    return Draft202012Validator(json.loads(schema), registry=described()[0])


@cache
def schemas() -> Schemas:
    return Schemas(referred)


@cache
def referred(reference: str) -> Any:
    return described()[0].resolver().lookup(reference).contents


@cache
def named(name: str) -> Any:
    """A schema of the description's components."""
    return {"$ref": f"{ROOT}#/components/schemas/{name}"}


def wrong(schema: Any, value: Any) -> str | None:
    """What is wrong with a value, nearest to the root of the trouble; None if nothing is."""
    if schemas().fits(schema, value):
        return None
    error = best_match(validator(json.dumps(schema, sort_keys=True)).iter_errors(value))
    return f"{error.json_path}: {error.message[:300]}"


def shapes(schema: Any, value: Any) -> Iterator[Any]:
    """The schemas behind a schema that speak of the value: references followed, and of branches those that it fits."""
    if "$ref" in schema:
        yield from shapes(referred(schema["$ref"]), value)
    yield schema
    for part in schema.get("allOf", ()):
        yield from shapes(part, value)
    for part in schema.get("anyOf", ()):
        if schemas().fits(part, value):
            yield from shapes(part, value)


def strangers(schema: Any, value: Any, path: str = "$") -> Iterator[str]:
    """The fields of a value that fits a schema which the schema does not know: Discord would ignore them."""
    found = list(shapes(schema, value))
    if isinstance(value, list):
        items = {"anyOf": [shape["items"] for shape in found if "items" in shape]}
        for number, child in enumerate(value):
            yield from strangers(items, child, f"{path}[{number}]")
    elif isinstance(value, dict):
        known: dict[str, list[Any]] = {}
        for shape in found:
            for name, child in shape.get("properties", {}).items():
                known.setdefault(name, []).append(child)
        free = [shape["additionalProperties"] for shape in found if isinstance(shape.get("additionalProperties"), dict)]
        for name, child in value.items():
            if name in known or free or not known:
                yield from strangers({"anyOf": known.get(name, free)}, child, f"{path}.{name}")
            else:
                yield f"{path}: there is no {name!r}"


def parts(body: Any, way: str) -> Iterator[Any]:
    """What lies at the end of a way through a body, "data/resolved/users/*"."""
    found = [body]
    for step in way.split("/") if way else ():
        if step == "*":
            found = [child for node in found for child in (node.values() if isinstance(node, dict) else node)]
        else:
            found = [node[step] for node in found if isinstance(node, dict) and node.get(step) is not None]
    yield from found


_noted: list[Violation] = []  # of all stand-ins in this process, until somebody takes them


def taken() -> list[Violation]:
    """Hand out what any stand-in of this process has noted since this was last called."""
    found = _noted[:]
    _noted.clear()
    return found


class Contract:
    """Collects what does not fit the description."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    @staticmethod
    def at_hand() -> bool:
        return DESCRIPTION.exists()

    def of(self, *sides: str) -> list[Violation]:
        return [violation for violation in self.violations if violation.side in sides]

    def _note(self, side: str, where: str, what: str | None) -> None:
        if what is not None:
            violation = Violation(side, where, what)
            self.violations.append(violation)
            _noted.append(violation)

    def exchange(self, request: Request, answer: Any) -> None:
        """A request and what it was answered."""
        if not self.at_hand():
            return
        where = f"{request.method} {request.route or request.path}"
        candidates = described()[1].get(request.method.lower(), [])
        operation = next((found for found in candidates if found.pattern.match(request.path)), None)
        if operation is None:
            self._note("request", where, "there is no such operation")
            return
        self._query(where, request, operation)
        self._body(where, request, operation)
        if 0 < request.status < 500:
            self._note("answer", f"{where} {request.status}", self._answer(operation, request.status, answer))

    def _query(self, where: str, request: Request, operation: Operation) -> None:
        known = {p["name"]: p["schema"] for p in operation.body.get("parameters", []) if p["in"] == "query"}
        for name, text in request.query.items():
            if name not in known:
                self._note("request", where, f"the query has no {name!r}")
                continue
            readings = [text, *([int(text)] if text.isdigit() else [])]
            readings += {"1": [True], "true": [True], "0": [False], "false": [False]}.get(text, [])
            if all(wrong(known[name], value) for value in readings):
                self._note("request", where, f"query {name}: {text!r}")

    def _body(self, where: str, request: Request, operation: Operation) -> None:
        content = operation.body.get("requestBody", {}).get("content", {})
        if not content:
            if request.body or request.files:
                self._note("request", where, "it has no body")
            return
        schema = content["application/json"]["schema"]
        self._note("request", where, error := wrong(schema, request.body))
        for stranger in strangers(schema, request.body) if error is None else ():
            self._note("request", where, stranger)
        if request.numbers and "multipart/form-data" not in content:
            self._note("request", where, "it takes no files")
        if any(number > 9 for number in request.numbers):
            self._note("request", where, f"files {request.numbers}")

    def _answer(self, operation: Operation, status: int, body: Any) -> str | None:
        responses = operation.body["responses"]
        found = responses.get(str(status)) or responses.get("4XX" if status >= 400 else "")
        if found is None:
            return f"status {status} is not among {list(responses)}"
        if "$ref" in found:
            name = found["$ref"].rpartition("/")[2]
            found = {"content": {"application/json": {"schema": named(SHORT[name])}}}
        content = found.get("content")
        if content is None:
            return "it has no body" if body is not None else None
        return wrong(content["application/json"]["schema"], body)

    def event(self, name: str, body: Any) -> None:
        """A dispatch of the gateway."""
        if not self.at_hand():
            return
        for way, schema in EVENTS.get(name, {}).items():
            for part in parts(body, way):
                self._note("event", f"{name} {way}", wrong(named(schema), part))


SHORT = {"ClientErrorResponse": "ErrorResponse", "ClientRatelimitedResponse": "RatelimitedResponse"}
