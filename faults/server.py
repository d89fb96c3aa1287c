"""The server: OpenAI's paths, each call under the conditions that are set, and `/control` to set them."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from faults.batches import Desk, describe
from faults.calls import Call, Conditions
from faults.lines import make_batch
from faults.models import list_models
from faults.picking import CHAT, EMBEDDINGS
from faults.replies import RefusedError, Reply, error_reply, json_reply, read_json
from faults.settings import Settings, SettingsError, parse_settings

MOST_BYTES = 512 * 2**20  # of an uploaded file, as OpenAI
MISSING_KEY = "You didn't provide an API key. Any will do: 'Authorization: Bearer KEY'."

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FaultServer:
    """What the server holds: the conditions, the files and the batches."""

    def __init__(self, settings: Settings) -> None:
        self.conditions = Conditions(settings)
        self.desk = Desk()

    def application(self) -> web.Application:
        """The paths and who answers them."""
        application = web.Application(client_max_size=MOST_BYTES)
        add = application.router.add_route
        add("POST", CHAT, self._counted(self._ask_model))
        add("POST", EMBEDDINGS, self._counted(self._ask_model))
        add("GET", "/v1/models", self._counted(self._models))
        add("POST", "/v1/files", self._counted(self._upload))
        add("GET", "/v1/files", self._counted(self._files))
        add("GET", "/v1/files/{id}", self._counted(self._file))
        add("DELETE", "/v1/files/{id}", self._counted(self._delete_file))
        add("GET", "/v1/files/{id}/content", self._counted(self._file_content))
        add("POST", "/v1/batches", self._counted(self._make_batch))
        add("GET", "/v1/batches", self._counted(self._batches))
        add("GET", "/v1/batches/{id}", self._counted(self._batch))
        add("POST", "/v1/batches/{id}/cancel", self._counted(self._cancel_batch))
        add("GET", "/control", self._settings)
        add("PUT", "/control", self._change)
        add("POST", "/control/reset", self._reset)
        add("GET", "/control/calls", self._calls)
        add("*", "/{path:.*}", self._unknown)
        return application

    def _counted(self, prepare: Callable[[Call, web.Request], Awaitable[None]]) -> Handler:
        """A path of the API: counted, delayed and damaged."""

        async def handle(request: web.Request) -> web.StreamResponse:
            resource = request.match_info.route.resource
            call = Call(self.conditions, resource.canonical if resource else request.path)
            try:
                try:
                    if not request.headers.get("Authorization", "").startswith("Bearer "):
                        raise RefusedError(MISSING_KEY, status=401, code="invalid_api_key")
                    await prepare(call, request)
                except RefusedError as refusal:
                    call.refuse(refusal)
                return await call.send(request)
            finally:
                call.end()

        return handle

    async def _ask_model(self, call: Call, request: web.Request) -> None:
        call.ask_model(read_json(await request.read()))

    async def _models(self, call: Call, _: web.Request) -> None:
        call.do(list_models)

    async def _upload(self, call: Call, request: web.Request) -> None:
        try:
            form = dict(await request.post())
        except ValueError:
            form = {}
        file, purpose = form.get("file"), form.get("purpose")
        if not isinstance(file, web.FileField) or not isinstance(purpose, str):
            raise RefusedError("A form with the fields 'file' and 'purpose' is required.")
        content = file.file.read()
        call.do(lambda: json_reply(self.desk.store(file.filename, purpose, content).as_row()))

    async def _files(self, call: Call, request: web.Request) -> None:
        purpose = request.query.get("purpose")
        rows = [each.as_row() for each in self.desk.files.values() if purpose in (None, each.purpose)]
        call.do(lambda: _page(rows, request))

    async def _file(self, call: Call, request: web.Request) -> None:
        call.do(lambda: json_reply(self.desk.file(request.match_info["id"]).as_row()))

    async def _file_content(self, call: Call, request: web.Request) -> None:
        def work() -> Reply:
            return Reply(self.desk.file(request.match_info["id"]).content, content_type="application/octet-stream")

        call.do(work)

    async def _delete_file(self, call: Call, request: web.Request) -> None:
        call.do(lambda: json_reply(self.desk.delete(request.match_info["id"])))

    async def _make_batch(self, call: Call, request: web.Request) -> None:
        content = read_json(await request.read())
        call.do(lambda: json_reply(describe(make_batch(content, self.desk, self.conditions))))

    async def _batches(self, call: Call, request: web.Request) -> None:
        self.desk.advance()
        call.do(lambda: _page([describe(each) for each in self.desk.batches.values()], request))

    async def _batch(self, call: Call, request: web.Request) -> None:
        call.do(lambda: json_reply(describe(self.desk.batch(request.match_info["id"]))))

    async def _cancel_batch(self, call: Call, request: web.Request) -> None:
        call.do(lambda: json_reply(describe(self.desk.cancel(request.match_info["id"]))))

    async def _settings(self, _: web.Request) -> web.Response:
        return _plain(json_reply(self.conditions.settings.model_dump()))

    async def _change(self, request: web.Request) -> web.Response:
        try:
            self.conditions.change(parse_settings(read_json(await request.read())))
        except RefusedError as refusal:
            return _plain(refusal.reply)
        except SettingsError as problem:
            return _plain(error_reply(str(problem), status=422, code="invalid_settings"))
        return await self._settings(request)

    async def _reset(self, request: web.Request) -> web.Response:
        self.conditions.reset()
        self.desk = Desk()
        return await self._calls(request)

    async def _calls(self, _: web.Request) -> web.Response:
        self.desk.advance()
        return _plain(json_reply(self.conditions.counts.as_row()))

    async def _unknown(self, request: web.Request) -> web.Response:
        message = f"Unknown request URL: {request.method} {request.path}. The fault server does not speak that."
        return _plain(error_reply(message, status=404, code="unknown_url"))


def _plain(reply: Reply) -> web.Response:
    return web.Response(body=reply.body, status=reply.status, content_type=reply.content_type)


def _page(rows: list[dict[str, object]], request: web.Request) -> Reply:
    """The newest first, so many as are asked for, after the one that is named."""
    rows = rows[::-1]
    if after := request.query.get("after"):
        ids = [row["id"] for row in rows]
        rows = rows[ids.index(after) + 1 :] if after in ids else []
    limit = request.query.get("limit", "20")
    if not limit.isdecimal() or int(limit) < 1:
        raise RefusedError("'limit' must be a whole number of 1 or more.")
    shown = rows[: int(limit)]
    ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {"first_id": None, "last_id": None}
    return json_reply({"object": "list", "data": shown, "has_more": len(rows) > len(shown), **ends})
