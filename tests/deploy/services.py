#!/usr/bin/env python3
"""Asks `$SRV` as NATS' own tools do, and holds each answer to the shapes of ADR-32.

    services.py CLIENT_TOML

Prints a JSON object: per verb, the processes that answered, by id.
"""

import asyncio
import datetime
import json
import pathlib
import re
import ssl
import sys
import tomllib

import nats

TEXT, NUMBER = str, int
SERVICE = {"type": TEXT, "name": TEXT, "id": TEXT, "version": TEXT, "metadata": dict}
SHAPES = {
    "PING": SERVICE,
    "INFO": SERVICE | {"description": TEXT, "endpoints": list},
    "STATS": SERVICE | {"started": TEXT, "endpoints": list},
}
ENDPOINT = {"name": TEXT, "subject": TEXT, "queue_group": TEXT}
ENDPOINTS = {
    "INFO": ENDPOINT | {"metadata": dict},
    "STATS": ENDPOINT | {
        "num_requests": NUMBER, "num_errors": NUMBER, "last_error": TEXT,
        "processing_time": NUMBER, "average_processing_time": NUMBER, "data": dict,
    },
}
SEMVER = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


def is_of(shape, value):
    assert set(value) == set(shape), f"{sorted(value)} instead of {sorted(shape)}"
    for name, kind in shape.items():
        assert isinstance(value[name], kind), f"{name}: {value[name]!r}"


def check(verb, answer):
    is_of(SHAPES[verb], answer)
    assert answer["type"] == f"io.nats.micro.v1.{verb.lower()}_response", answer["type"]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", answer["name"]), answer["name"]
    assert SEMVER.fullmatch(answer["version"]), answer["version"]
    assert all(isinstance(value, str) for value in answer["metadata"].values()), answer
    for endpoint in answer.get("endpoints", []):
        is_of(ENDPOINTS[verb], endpoint)
    if verb == "STATS":
        datetime.datetime.fromisoformat(answer["started"])


async def listen(client, subject):
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    await client.publish(subject, reply=inbox)
    found = []
    try:
        while True:
            found.append(json.loads((await answers.next_msg(timeout=1)).data))
    except nats.errors.TimeoutError:
        await answers.unsubscribe()
    return found


async def main(path):
    bus = tomllib.loads(pathlib.Path(path).read_text())["ops"]
    channel = ssl.create_default_context(cafile=bus["tls"]["ca"])
    channel.load_cert_chain(bus["tls"]["certificate"], bus["tls"]["key"])
    client = await nats.connect(
        bus["servers"], tls=channel, nkeys_seed=bus["nkey_file"], inbox_prefix="_INBOX_srv.ops"
    )
    found = {}
    for verb in SHAPES:
        answers = await listen(client, f"$SRV.{verb}")
        for answer in answers:
            check(verb, answer)
        found[verb] = {answer["id"]: answer for answer in answers}
        assert len(found[verb]) == len(answers), "an id twice"
    for answer in found["PING"].values():
        one = await listen(client, f"$SRV.INFO.{answer['name']}.{answer['id']}")
        assert [other["id"] for other in one] == [answer["id"]], one
    agents = await listen(client, "$SRV.PING.mpic-agent")
    names = {answer["name"] for answer in agents}
    assert names == {"mpic-agent"}, names
    await client.close()
    print(json.dumps(found))


asyncio.run(main(sys.argv[1]))
