"""A server that stands in for every provider: real HTTP, all dialects on one port, each at its own paths.

What it says is a script, a recording, or, without either, what the demo model of the asked name says to the prompt.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aiohttp import web

from thinkaloud_server.app.fake_answer import Manner, Reply, send
from thinkaloud_server.app.fake_replay import Replay, ReplayError
from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.fault import Fault, parse
from thinkaloud_server.engine.chaos import Chance, choose
from thinkaloud_server.providers.demo import MODELS, script
from thinkaloud_server.providers.encoders import ENCODINGS, Done, Failed, Name, Pause, Step, events
from thinkaloud_server.providers.encoders.asked import Asked, Route, asked_of, route_of
from thinkaloud_server.providers.encoders.encoding import dumps
from thinkaloud_server.providers.encoders.listing import listing
from thinkaloud_server.providers.encoders.step import Event

HEADER = "x-thinkaloud-fault"
REQUEST_BYTES_MAX = 64 << 20
# Answers that a stop finds on their way are given this long.
STOP_S = 0.5
_SCENES = {model.name for model in MODELS}
_DEFAULT = "reasoner"


@dataclass(frozen=True, slots=True)
class Repertoire:
    """What there is to say: at most one of a script and recordings."""

    dialects: tuple[str, ...] = tuple(ENCODINGS)
    steps: tuple[Step, ...] = ()
    replay: Replay | None = None

    @property
    def models(self) -> Sequence[str]:
        """The names of a listing; a script answers to any name."""
        if self.replay is not None:
            return self.replay.names
        return ["scripted"] if self.steps else [model.name for model in MODELS]


class FakeProvider:
    """The handler of every request. `told` is called with a line about each."""

    def __init__(
        self,
        repertoire: Repertoire,
        *,
        manner: Manner | None = None,
        faults: Sequence[Chance] = (),
        chance: random.Random | None = None,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._repertoire = repertoire
        self._manner = manner or Manner()
        self._faults = faults
        self._chance = chance or random.Random()
        self._told = told
        self._numbers = itertools.count()

    def runner(self) -> web.AppRunner:
        """To be set up by whoever listens. A client that leaves ends its answer at once."""
        application = web.Application(client_max_size=REQUEST_BYTES_MAX)
        application.router.add_route("*", "/{path:.*}", self._handle)
        return web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=STOP_S)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        route = route_of(request.method, request.raw_path.partition("?")[0])
        if route is None or (route.dialect not in self._repertoire.dialects and route.action != "models"):
            return self._answered(request, 404, {"error": {"message": _nothing_here(request, self._repertoire)}})
        if route.action not in ("answer", "stream"):
            body = await request.read()
            return self._answered(request, 200, listing(_named(route, body), self._repertoire.models))
        number = next(self._numbers)
        try:
            asked = asked_of(route, await request.read())
            fault = self._fault(request, number)
            reply = self._reply(asked, number)
        except ReplayError as error:
            return self._refused(request, route, Failure(ErrorReason.MODEL_NOT_FOUND, str(error), 404))
        except ValueError as error:
            return self._refused(request, route, Failure(ErrorReason.VALIDATION_FAILED, str(error), 400))
        about = f"{request.method} {request.path} {asked.model or '-'} -> {reply.status} {asked.dialect}"
        self._told(about + (" stream" if asked.streamed else "") + (f" fault {fault}" if fault else ""))
        try:
            return await send(request, reply, fault, self._manner)
        except ConnectionError:
            self._told(f"{request.method} {request.path}: the client left")
            raise

    def _fault(self, request: web.Request, number: int) -> Fault | None:
        if text := request.headers.get(HEADER, "").strip():
            return parse(text)
        found = choose(self._faults, self._chance.random())
        return found and found.at(number)

    def _reply(self, asked: Asked, number: int) -> Reply:
        if self._repertoire.replay is not None:
            recorded = self._repertoire.replay.choose(asked.dialect, asked.model).read()
            pieces = recorded.pieces(by_frames=bool(self._manner.pace))
            return Reply(pieces, recorded.content_type, recorded.status, recorded.headers)
        encoding = ENCODINGS[asked.dialect]
        name = Name(asked.model or "fake", f"fake{number + 1:08d}", int(time.time()))
        said, refusal = _begun(events(self._steps(asked)))
        if refusal is None and not asked.streamed:
            heard = list(said)
            if isinstance(last := heard[-1], Failed):
                refusal = last.failure
            else:
                assert isinstance(last, Done)
                pauses = [event for event in heard if isinstance(event, Pause)]
                return Reply((*pauses, dumps(encoding.whole(last, name))), "application/json")
        if refusal is not None:
            after = {} if refusal.retry_after_s is None else {"retry-after": f"{refusal.retry_after_s:g}"}
            status = refusal.status if refusal.status >= 400 else 500
            return Reply((dumps(encoding.refusal(refusal)),), "application/json", status, after)
        return Reply(encoding.stream(said, name), encoding.content_type)

    def _steps(self, asked: Asked) -> Iterable[Step]:
        if self._repertoire.steps:
            return self._repertoire.steps
        scene = asked.model.rpartition("/")[2]
        steps = script(scene if scene in _SCENES else _DEFAULT, asked.request)
        # A pace is the pace: the scene's own is left out.
        return (step for step in steps if not (self._manner.pace and isinstance(step, Pause)))

    def _refused(self, request: web.Request, route: Route, failure: Failure) -> web.Response:
        return self._answered(request, failure.status, ENCODINGS[route.dialect].refusal(failure))

    def _answered(self, request: web.Request, status: int, body: object) -> web.Response:
        self._told(f"{request.method} {request.path} -> {status}")
        return web.Response(status=status, body=dumps(body), content_type="application/json")


def _begun(said: Iterable[Event]) -> tuple[Iterable[Event], Failure | None]:
    """The events with their first ones looked at: a failure before anything was said is a refusal with a status."""
    said = iter(said)
    first: list[Event] = []
    for event in said:
        if isinstance(event, Failed) and event.failure.status >= 400:
            return (), event.failure
        first.append(event)
        if not isinstance(event, Pause):
            break
    return itertools.chain(first, said), None


def _named(route: Route, body: bytes) -> Route:
    """Some ask for one model in the body."""
    if route.action != "model" or route.model:
        return route
    try:
        value = json.loads(body)
    except ValueError:
        value = {}
    name = value.get("model") or value.get("name") if isinstance(value, dict) else ""
    return Route(route.dialect, route.action, str(name or ""))


def _nothing_here(request: web.Request, repertoire: Repertoire) -> str:
    return f"{request.method} {request.path} is no path of {', '.join(repertoire.dialects)}"
