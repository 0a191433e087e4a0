"""Calls about ETLs, and reads that go through them."""

from __future__ import annotations

import base64
import re
from typing import Any

from aiohttp import web

from aistorch.errors import InvalidArgumentError
from aistorch.server.etl import INIT_SECONDS, OBJECT_SECONDS, Etl, transformed
from aistorch.server.etl_code import EtlCode, check_etl_name
from aistorch.server.http_errors import BadRequest, HTTPError
from aistorch.server.request import Request
from aistorch.server.routes import Routes

routes = Routes()

_CLASS = "ETL_CLASS_PAYLOAD"
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?)({'|'.join(_UNITS)})")


@routes.query("GET", "objects", "etl_name")
async def get_transformed(req: Request) -> web.StreamResponse:
    """What the ETL makes of the object; with no checksum, and a range is not looked at, as in AIStore."""
    body = await transformed(etls_of(req), req.bucket, req.object_name, req.query.get("etl_args", ""))
    return web.Response(body=body, headers={"Content-Type": "application/octet-stream"})


def etls_of(req: Request) -> list[Etl]:
    """The ETLs that a request names, in the order in which an object goes through them.

    Raises:
        EtlNotRunning: One of them does not exist, or does not run.
    """
    more = req.query.get("etl_pipeline", "").split(",")
    return req.app.etls.running([req.query["etl_name"], *filter(None, more)])


@routes.default("PUT", "etl")
async def init_etl(req: Request) -> web.StreamResponse:
    """Makes an ETL of the class that the request carries; the answer comes when it runs, as in AIStore.

    Only where code that clients send is allowed: it may do whatever this server's user may.
    """
    message = await req.json()
    if not isinstance(message, dict):
        raise BadRequest("the body is not an ETL's init message: an object with 'name' and 'runtime' was expected")
    try:
        name = check_etl_name(str(message.get("name") or ""))
    except InvalidArgumentError as error:
        raise BadRequest(str(error)) from None
    code = _code(req, message)
    etl = Etl(
        name,
        code,
        message,
        init_seconds=_seconds(message.get("init_timeout"), INIT_SECONDS),
        object_seconds=_seconds(message.get("obj_timeout"), OBJECT_SECONDS),
    )
    await req.app.etls.add(etl)
    return web.Response(text=etl.job_id)


@routes.default("GET", "etl")
async def query_etls(req: Request) -> web.StreamResponse:
    """All ETLs; one ETL's details, or its logs: what failed in it of late."""
    if not req.parts:
        return web.json_response([_info(etl) for etl in req.app.etls])
    etl = req.app.etls.get(req.parts[0])
    what = req.parts[1] if len(req.parts) > 1 else ""
    if not what:
        errors = [{"obj_name": each.name, "msg": each.message, "ecode": each.status} for each in etl.failures]
        return web.json_response({"init_msg": etl.message, "obj_errors": errors})
    if what.partition("/")[0] == "logs":
        return web.json_response(_logs(req, etl, what.partition("/")[2]))
    raise BadRequest(f"invalid request URI {req.http.path!r}")


@routes.default("POST", "etl")
async def change_stage(req: Request) -> web.StreamResponse:
    """Starts an ETL that is stopped, or stops it."""
    if len(req.parts) != 2:
        raise BadRequest(f"invalid request URI {req.http.path!r}: '/v1/etl/<name>/start' or '.../stop' was expected")
    etl, wanted = req.app.etls.get(req.parts[0]), req.parts[1]
    if wanted == "start":
        await etl.start()
        return web.Response(text=etl.job_id)
    if wanted == "stop":
        await etl.stop()
        return web.Response()
    raise BadRequest(f"invalid operation: {wanted}")


@routes.default("DELETE", "etl")
async def delete_etl(req: Request) -> web.StreamResponse:
    """Stops an ETL and forgets it."""
    await req.app.etls.delete(req.parts[0] if req.parts else "")
    return web.Response()


def _code(req: Request, message: dict[str, Any]) -> EtlCode:
    if not req.app.allow_code:
        raise HTTPError(
            403,
            "this server runs no code that clients send; start it with EmbeddedAIStore(allow_code=True) or "
            "'aistorch serve --allow-code', or give it functions of your own: etls={...}, '--etl NAME=module:function'",
        )
    runtime = message.get("runtime")
    listed = (runtime.get("env") if isinstance(runtime, dict) else None) or []
    environment = {str(each["name"]): str(each["value"]) for each in listed if {"name", "value"} <= set(each)}
    if not environment.get(_CLASS) or environment.get("ETL_DIRECT_FQN") == "true":
        raise HTTPError(
            501,
            "the embedded server runs no containers and shows its files to no code; "
            "use init_class() of the SDK, without direct_file_access",
            "ErrUnsupp",
        )
    payload = environment.pop(_CLASS)
    environment["AIS_TARGET_URL"] = req.app.cluster.url(req.app.cluster.proxy, req.host)
    return EtlCode("class", payload, environment=environment)


def _seconds(text: Any, default: float) -> float:
    if not text:
        return default
    found = _DURATION.findall(str(text))
    if "".join(number + unit for number, unit in found) != text:
        raise BadRequest(f"invalid duration {text!r}: something like '5m' or '1m30s' was expected")
    return sum(float(number) * _UNITS[unit] for number, unit in found)


def _info(etl: Etl) -> dict[str, Any]:
    return {
        "id": etl.name,
        "stage": etl.stage,
        "xaction_id": etl.job_id,
        "obj_count": etl.objects,
        "in_bytes": etl.bytes_in,
        "out_bytes": etl.bytes_out,
    }


def _logs(req: Request, etl: Etl, target: str) -> list[dict[str, str]]:
    """What has failed, told of one target only: all of them share an ETL's processes."""
    targets = list(req.app.cluster.targets)
    if target and target not in targets:
        raise BadRequest(f"unknown target {target!r}")
    text = "\n".join(f"{each.name}: {each.message}\n{each.trace}" for each in etl.failures)
    logs = base64.b64encode(text.encode()).decode()
    return [{"target_id": target or targets[0], "logs": logs}]
