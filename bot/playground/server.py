"""The page, what it is told, and what people do on it, served beside Discord's own routes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField

from .protocol import Attachment, Channel, DidNotRespondError, Message, Modal, RefusedError, Reply, Standin, User
from .protocol.errors import DiscordError
from .protocol.posts import Json
from .recording import as_ogg
from .view import PAGE, WORDS, View

FILES = {"page.html": "text/html", "messages.css": "text/css", "page.css": "text/css"}
FILES |= dict.fromkeys(("page.js", "commands.js", "forms.js", "messages.js"), "text/javascript")
ALIVE_SECONDS = 15.0  # at least so often a page hears something
# Nothing is loaded from anywhere else, whatever stands in a message.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
# What is told by its id: types of options, and of select menus.
OPTIONS = {6: "people", 7: "channels", 9: "people"}
MENUS = {5: "people", 7: "people", 8: "channels"}


@dataclass(frozen=True)
class Deed:
    """What somebody does.

    Attributes:
        me: who.
        said: the rest, as the page sends it.
        files: under the names of their options, or numbered.
    """

    me: User
    said: Json
    files: dict[str, Attachment]


class Playground(Standin):
    """Discord on loopback with a page to look at it."""

    def __init__(self) -> None:
        super().__init__(secrets.token_urlsafe(24))
        self._forms: dict[str, Modal] = {}
        self._deeds: dict[str, Callable[[Deed], Awaitable[Json]]] = {
            "post": self._post,
            "speak": self._speak,
            "recording": self._recording,
            "command": self._command,
            "suggest": self._suggest,
            "menu": self._menu,
            "press": self._press,
            "select": self._select,
            "submit": self._submit,
            "delete": self._delete,
            "language": self._language,
            "person": self._person,
        }

    @property
    def address(self) -> str:
        return f"{self.world.base}/"

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/", self._file)
        router.add_get("/page/{name}", self._file)
        router.add_get("/stream", self._stream)
        router.add_post("/do/{what}", self._do)

    # ---- what it shows

    async def _file(self, request: web.Request) -> web.Response:
        self._refuse_strangers(request)
        name = request.match_info.get("name", "page.html")
        if name not in FILES:
            raise web.HTTPNotFound
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=(PAGE / name).read_text("utf-8"), content_type=FILES[name], headers=headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: first all that there is, then what changes."""
        self._refuse_strangers(request)
        view = View(self._who(request.query.get("as")), self.connections)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        while True:
            try:
                news = await self.thread.until(view.news, ALIVE_SECONDS)
            except TimeoutError:
                news = [{"kind": "alive"}]
            text = "".join(f"data: {json.dumps(item)}\n\n" for item in [*news, {"kind": "all"}])
            try:
                await response.write(text.encode())
            except ConnectionError:
                return response

    def _who(self, name: str | None) -> User:
        """A person by their name; the first one for a page that does not know yet."""
        people = [person for person in self.world.people.values() if isinstance(person, User)]
        return next((person for person in people if person.name == name), people[0])

    def _refuse_strangers(self, request: web.Request) -> None:
        """Other sites in the same browser reach this address too; they cannot take its name."""
        base = self.world.base
        if request.headers.get("Origin", base) != base or f"http://{request.host}" != base:
            raise web.HTTPForbidden

    # ---- what people do

    async def _do(self, request: web.Request) -> web.Response:
        self._refuse_strangers(request)
        deed = self._deeds.get(request.match_info["what"])
        if deed is None:
            raise web.HTTPNotFound
        form = await request.post()
        said = json.loads(str(form["said"]))
        files = {name: _attachment(file) for name, file in form.items() if isinstance(file, FileField)}
        try:
            answer = await deed(Deed(self._who(said["as"]), said, files))
        except (RefusedError, DiscordError) as error:
            return web.json_response({"error": str(error)}, status=400)
        except DidNotRespondError:
            return web.json_response({"error": WORDS[self._who(said["as"]).locale]["no_answer"]}, status=504)
        self.thread.changed()
        return web.json_response(answer)

    async def _post(self, deed: Deed) -> Json:
        deed.me.post(self._channel(deed), deed.said["content"], *deed.files.values())
        return {}

    async def _speak(self, deed: Deed) -> Json:
        deed.me.speak(self._channel(deed), await as_ogg(deed.files["recording"].data))
        return {}

    async def _recording(self, deed: Deed) -> Json:
        """What the browser has recorded, as the kind of file that every program knows."""
        data = await as_ogg(deed.files["recording"].data)
        stored = self.world.store(Attachment("recording.ogg", data), "attachments")
        return {"url": stored.url(), "name": stored.name}

    async def _command(self, deed: Deed) -> Json:
        given = self._options(deed) | deed.files
        return self._shown(await deed.me.command(deed.said["line"], self._channel(deed), **given))

    async def _suggest(self, deed: Deed) -> Json:
        about = {"option": deed.said["option"], "typed": deed.said["typed"]}
        found = await deed.me.suggestions(deed.said["line"], self._channel(deed), **about, **self._options(deed))
        return {"choices": [{"name": choice.name, "value": choice.value} for choice in found]}

    async def _menu(self, deed: Deed) -> Json:
        return self._shown(await deed.me.message_menu(deed.said["name"], self._message(deed)))

    async def _press(self, deed: Deed) -> Json:
        return self._shown(await deed.me.click(self._message(deed), deed.said["id"]))

    async def _select(self, deed: Deed) -> Json:
        values = self._filled(deed.said)
        return self._shown(await deed.me.select(self._message(deed), deed.said["id"], *values))

    async def _submit(self, deed: Deed) -> Json:
        modal = self._forms.get(deed.said["form"])
        if modal is None:
            raise RefusedError("that form is closed")
        reply = await deed.me.submit(modal, {name: self._filled(value) for name, value in deed.said["values"].items()})
        del self._forms[deed.said["form"]]
        return self._shown(reply)

    async def _delete(self, deed: Deed) -> Json:
        message = self._message(deed)
        if message.author is not deed.me:
            raise RefusedError("somebody else's message")
        message.delete()
        return {}

    async def _language(self, deed: Deed) -> Json:
        if deed.said["locale"] in WORDS:
            deed.me.locale = deed.said["locale"]
        return {}

    async def _person(self, deed: Deed) -> Json:
        name = str(deed.said["name"]).strip()[:32]
        taken = {person.name for person in self.world.people.values()}
        if name and name not in taken:
            _ = self.user(name, deed.me.locale).dm
        return {"name": name}

    # ---- finding what they speak of

    def _channel(self, deed: Deed) -> Channel:
        channel = self.world.channels.get(int(deed.said["channel"]))
        if channel is None:
            raise RefusedError("no such channel")
        return channel

    def _message(self, deed: Deed) -> Message:
        message = self._channel(deed).everything.get(int(deed.said["message"]))
        if message is None:
            raise RefusedError("no such message")
        return message

    def _options(self, deed: Deed) -> Json:
        return {name: self._found(OPTIONS, **option) for name, option in deed.said["options"].items()}

    def _found(self, kinds: dict[int, str], type: int, value: Any) -> Any:  # noqa: A002 - as the page calls it
        """A value, or the person or the channel whose id it is."""
        if type not in kinds:
            return value
        known: dict[int, Any] = self.world.people if kinds[type] == "people" else self.world.channels
        if int(value) not in known:
            raise RefusedError("nobody and nothing of that id")
        return known[int(value)]

    def _filled(self, value: Any) -> Any:
        """A field of a form: a text, a tick, or what was chosen."""
        if not isinstance(value, dict):
            return value
        return [self._found(MENUS, value["type"], one) for one in value["values"]]

    def _shown(self, reply: Reply) -> Json:
        """A form, where the bot has answered with one; messages come by the stream."""
        modal = reply.modal
        if modal is None:
            return {}
        number = str(modal.opened_by.id)
        self._forms[number] = modal
        return {"form": {"id": number, "title": modal.title, "rows": modal.body["components"]}}


def _attachment(file: FileField) -> Attachment:
    return Attachment(file.filename, file.file.read())
