#!/usr/bin/env python3
"""Asks for a corroboration as a CA does, and believes only what it has verified.

    ask.py --config client.toml honest.example [--dns-01 DIGEST] [--receipt FILE]

Prints the decision as JSON. Exit codes: 0 it corroborates, and its record is in the log; 1 it
refuses; 2 there is no decision, and so no issuance; 3 an answer that cannot be believed.

CLIENT.TOML is what `mpic up` and `mpic init` write for a CA: who it is, how it reaches the bus,
and the two keys that it pins, that of the directory and that of the log.
"""

import argparse
import asyncio
import json
import pathlib
import random
import secrets
import ssl
import sys
import time
import tomllib

import nats
from nats.errors import NoRespondersError, TimeoutError

from messages import Directory, Envelope, Unbelievable, check_proof, demand, read_key, seal, sha256

BUDGET_MS = 30_000
# Coordinators refuse an older job, so that it has at most one decision for ever.
JOB_LIFETIME_MS = 120_000
# A record that the log lacks after this is evidence against its operator.
MERGE_DELAY_S = 60
PAUSES_S = (0.5, 1, 2, 4)


class NoDecision(Exception):
    """Nothing is known of the job: nothing may be issued."""


def now_ms():
    return time.time_ns() // 1_000_000


def new_id():
    """A UUIDv7: its time is when the job was made, the rest nobody can foresee."""
    octets = bytearray(now_ms().to_bytes(6, "big") + secrets.token_bytes(10))
    octets[6] = 0x70 | octets[6] & 0x0F
    octets[8] = 0x80 | octets[8] & 0x3F
    return bytes(octets)


def job_for(config, name, digest):
    """The body of a CAA job, and of a dns-01 job where there is a digest. The order is the
    wire's; what is absent is nil."""
    dcv = {"method": "acme-dns-01", "adn": None, "digest": digest} if digest else None
    return {
        "ca": config["ca"],
        "job": new_id(),
        "ca_request": None,
        "certificate_type": "tls-server",
        "identifier": {"kind": "dns", "value": name, "wildcard": False},
        "dcv": dcv,
        "caa": {"account_uris": [], "caa_method_label": "dns-01" if dcv else None},
        "issuer_domains": config["issuer_domains"],
        "primary": "ask",
        "primary_claim": None,
        "dispatch": "primary-first",
        "remotes": None,
        "corroborations_min": None,
        "straggler_wait_ms": None,
        "budget_ms": BUDGET_MS,
        "deadline_ms": None,
    }


async def connect(config):
    """To the bus: mutual TLS for the channel, the nkey for who this is.

    Answers come to inboxes that only this CA may read. The nkey signs the server's challenge and
    nothing else: jobs are signed by another key.
    """
    bus = config["bus"]
    channel = ssl.create_default_context(cafile=bus["tls"]["ca"])
    channel.minimum_version = ssl.TLSVersion.TLSv1_3
    channel.load_cert_chain(bus["tls"]["certificate"], bus["tls"]["key"])
    return await nats.connect(
        bus["servers"],
        name=f"ca/{config['ca']}",
        tls=channel,
        nkeys_seed=bus["nkey_file"],
        inbox_prefix=f"mpic.v1.answer.{config['ca']}",
        max_reconnect_attempts=-1,
    )


async def submit(client, config, directory, job):
    """The decision on a job: its record, verified, and where the stream has it.

    Whatever goes wrong on the way, the same octets are sent again: they are the same job, which
    has one decision, and a decision that was recorded is told again.
    """
    key = read_key(config["key_file"]) if config.get("key_file") else None
    octets, digest = seal("job", job, key)
    made_ms = int.from_bytes(job["job"][:6], "big")
    tries = 0
    while True:
        pause = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
        try:
            wait = BUDGET_MS / 1_000 + 2
            answer = await client.request(f"mpic.v1.job.{config['ca']}", octets, timeout=wait)
            answer = Envelope(answer.data, "answer").body
            if answer["record"] is not None:
                return believed(answer, job, digest, directory)
            refusal = Envelope(answer["refusal"], "refusal")
            signer = directory.signer(refusal, "coordinator", now_ms())
            # A job that could not be read is refused over zeros.
            unread = refusal.body["job_digest"] == bytes(32)
            refusal.verify(signer["public"], bytes(32) if unread else digest)
            why = refusal.body["code"]
            if why not in ("busy", "unrecorded"):
                raise NoDecision(f"refused as {why}: {refusal.body['errors']}")
            pause = refusal.body["retry_after_ms"] / 1_000
        except (NoRespondersError, TimeoutError) as error:
            why = f"no coordinator answers ({type(error).__name__})"
        pause *= random.uniform(0.75, 1.25)
        if now_ms() + pause * 1_000 - made_ms >= JOB_LIFETIME_MS:
            raise NoDecision(why)
        await asyncio.sleep(pause)
        tries += 1


def believed(answer, job, digest, directory):
    """The decision in an answer, if a coordinator of the directory signed it over this very job.

    The stream's sequence and the leaf hash are the receipt: what the log is asked for.
    """
    record = answer["record"]
    decision = Envelope(record, "decision")
    signer = directory.signer(decision, "coordinator", now_ms())
    decision.verify(signer["public"], digest)
    body = decision.body
    demand(body["coordinator"] == signer["name"], "a coordinator decided in another's name")
    for field in ("ca", "job", "identifier"):
        demand(body[field] == job[field], f"the decision is of another {field}")
    demand(answer["leaf"] == sha256(b"\x00" + record), "the leaf hash is of another record")
    replies = verified_replies(body, signer, digest, directory)
    for check in filter(None, (body["checks"].get("dcv"), body["checks"].get("caa"))):
        for perspective, finding in check["findings"].items():
            demand(finding != "corroborate" or perspective in replies,
                   f"{perspective} corroborates without a reply")
    receipt = {field: answer[field] for field in ("stream", "seq", "leaf")}
    return {"record": record, "decision": body, "replies": replies, **receipt}


def verified_replies(decision, coordinator, digest, directory):
    """Who signed a reply to an assignment of this job: a coordinator cannot make one up."""
    asked = {}
    for octets in decision["assignments"]:
        assignment = Envelope(octets, "assignment")
        assignment.verify(coordinator["public"], digest)
        for perspective in assignment.body["perspectives"]:
            asked[perspective] = assignment.digest
    found = set()
    for entry in decision["replies"]:
        reply = Envelope(entry["reply"], "reply")
        signer = directory.signer(reply, "agent", entry["received_ms"])
        perspective = entry["perspective"]
        names = (signer["perspective"], reply.body["perspective"])
        demand(names == (perspective, perspective), f"a reply of {perspective} is another's")
        demand(perspective in asked, f"{perspective} was not asked")
        reply.verify(signer["public"], asked[perspective])
        found.add(perspective)
    return sorted(found)


async def prove(client, config, decided):
    """The proof that the record is in the log, verified under the log's key."""
    vkey = pathlib.Path(config["log_key_file"]).read_text(encoding="utf-8")
    wanted = {field: decided[field] for field in ("stream", "seq", "leaf")}
    wanted |= {"job": None, "index": None, "timeout_ms": 20_000}
    octets, _ = seal("proof-request", wanted)
    until = time.monotonic() + MERGE_DELAY_S
    why = "pending"
    while time.monotonic() < until:
        try:
            answer = await client.request(f"mpic.v1.proof.{config['ca']}", octets, timeout=22)
            answer = Envelope(answer.data, "proof").body
            why = answer["status"]
            if why == "ok":
                return answer["proof"], *check_proof(answer["proof"], vkey, decided["leaf"])
            # The log has another entry there: keep the record, it is the evidence.
            demand(why == "pending", f"the log has no such record: {why}")
        except (NoRespondersError, TimeoutError):
            why = "no audit consumer answers"
        await asyncio.sleep(0.5)
    raise Unbelievable(f"the log still lacks the record: {why}")


async def ask(arguments):
    config = tomllib.loads(arguments.config.read_text(encoding="utf-8"))
    octets = pathlib.Path(config["directory_file"]).read_bytes()
    directory = Directory(octets, config["directory_root"])
    client = await connect(config)
    try:
        job = job_for(config, arguments.name, arguments.dns_01)
        decided = await submit(client, config, directory, job)
        if arguments.again:
            again = await submit(client, config, directory, job)
            demand(again == decided, "a repeat is answered otherwise")
        proof, index, size = await prove(client, config, decided)
    finally:
        await client.close()
    if arguments.receipt:
        # What a CA keeps with the certificate: both, for as long as it keeps that.
        arguments.receipt.with_suffix(".record").write_bytes(decided["record"])
        arguments.receipt.with_suffix(".proof").write_text(proof, encoding="utf-8")
    decision = decided["decision"]
    shown = ("outcome", "coordinator", "missing")
    checks = {name: check["quorum"] for name, check in decision["checks"].items() if check}
    print(json.dumps({
        "job": decision["job"].hex(), **{name: decision[name] for name in shown},
        "checks": checks, "replies": decided["replies"], "seq": decided["seq"],
        "leaf": decided["leaf"].hex(), "index": index, "log_size": size,
    }, indent=2))
    return 0 if decision["outcome"] == "corroborate" else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a DNS name")
    parser.add_argument("--config", type=pathlib.Path, required=True, help="the CA's client.toml")
    parser.add_argument("--dns-01", metavar="DIGEST", help="base64url SHA-256 of the key authorization")
    parser.add_argument("--again", action="store_true", help="send the same octets once more")
    parser.add_argument("--receipt", type=pathlib.Path, help="keep record and proof under this name")
    try:
        sys.exit(asyncio.run(ask(parser.parse_args())))
    except NoDecision as error:
        print(f"no decision: {error}", file=sys.stderr)
        sys.exit(2)
    except (Unbelievable, LookupError, TypeError, ValueError) as error:
        print(f"not to be believed: {error!r}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
