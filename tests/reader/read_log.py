#!/usr/bin/env python3
"""Reads an audit log and decides every decision again, with none of the project's own code.

Written from docs/WIRE.md and the C2SP specifications, so that an error in the Rust programs does
not hide itself. Needs the package `cryptography`.

    read_log.py LOGDIR VKEYFILE [DIRECTORY...]

The documents given are the auditor's own: their roots alone are trusted, and what they revoke is
revoked. Without any the log says itself who its root is.

Prints what is wrong, one line each, and a summary. Exit codes: 0 nothing is, 1 something is, 2 for
other arguments.
"""

import math
import pathlib
import sys

import decide
import messagepack
import tree
from messagepack import Malformed
from tree import sha256

CONTEXTS = {
    "job": b"MPIC-job-v1",
    "assignment": b"MPIC-assignment-v1",
    "reply": b"MPIC-reply-v1",
    "decision": b"MPIC-decision-v1",
    "refusal": b"MPIC-decision-v1",
    "late": b"MPIC-decision-v1",
    "superseded": b"MPIC-decision-v1",
    "directory": b"MPIC-directory-v1",
    "note": b"MPIC-operator-v1",
}
ZEROS = bytes(32)

# Milliseconds: between two clocks, from a job to its decision, until a document is in use and until
# it is out of use, from a decision to the end of its late window, and how far times may fall.
CLOCKS, JOB_AGE, RELOAD, STALE, LATE, FALL = 5_000, 240_000, 60_000, 600_000, 60_000, 600_000

# Why a reply can be put aside for its octets alone.
BY_OCTETS = ("malformed", "bad-signature", "wrong-perspective", "wrong-assignment")

# What a record of the wrong shape comes to.
WRONG = (Malformed, LookupError, TypeError, AttributeError, ValueError, ArithmeticError)


def demand(holds, text):
    if not holds:
        raise Malformed(text)


class Envelope:
    """A signed message, not verified yet."""

    def __init__(self, octets, kind=None):
        fields = messagepack.decode(octets)
        demand(list(fields) == ["v", "type", "key", "body", "sig"], "no envelope")
        demand(fields["v"] == 1, "another version")
        self.kind, self.key, self.sig = fields["type"], fields["key"], fields["sig"]
        self.digest = sha256(fields["body"])
        self.octets, self.body = fields["body"], messagepack.decode(fields["body"])
        demand(next(iter(self.body.items())) == ("type", self.kind), "the body is of another type")
        demand(kind in (None, self.kind), f"a {self.kind} in the place of a {kind}")

    def verify(self, public, digest):
        signed = b"\xff" + CONTEXTS[self.kind] + b"\x00" + digest + self.octets
        demand(tree.verifies(public, self.sig, signed), f"the {self.kind} has a bad signature")


class Directory:
    """A directory document, which says whose keys are in force."""

    def __init__(self, envelope):
        self.hash, self.body = envelope.digest, envelope.body
        self.keys = {key["id"]: key for key in self.body["keys"]}
        for key in self.keys.values():
            named = sha256(b"mpic/key/v1\x00" + key["public"])[:8]
            demand(key["id"] == named, "a key under another key's id")

    def key(self, envelope, role, name, at):
        """The public key of an envelope's signer, who must be this one and in force then."""
        key = self.keys.get(envelope.key)
        demand(key is not None, f"the {envelope.kind} is signed by an unknown key")
        holder = key["perspective"] if role == "agent" else key["name"]
        demand((key["role"], holder) == (role, name), f"the {envelope.kind} is not {name}'s")
        ends = [end for end in (key["until_ms"], key["revoked_ms"]) if end is not None]
        in_force = key["from_ms"] <= at and all(at < end for end in ends)
        demand(in_force, f"the key of {name} was not in force at {at}")
        return key["public"]

    def revoked(self, key, at):
        revoked = self.keys[key]["revoked_ms"] if key in self.keys else None
        return revoked is not None and revoked <= at

    def has_in_force(self, key, at):
        key = self.keys.get(key)
        until = key and key["until_ms"]
        return key and key["from_ms"] <= at and (until is None or at < until)

    def perspective(self, code, at):
        found = [entry for entry in self.body["perspectives"] if entry["code"] == code]
        demand(len(found) == 1, f"{code} is no perspective of the directory")
        until = found[0]["until_ms"]
        demand(found[0]["from_ms"] <= at and (until is None or at < until), f"{code} is not in use")
        return found[0]


class Log:
    """What was read so far of one log."""

    def __init__(self, given=()):
        self.directories, self.newest, self.given = {}, None, given
        self.decisions, self.by_leaf, self.late = {}, {}, {}
        self.base, self.gaps = None, {}
        self.last_decided, self.newest_since = 0, None
        self.counts = {}

    def read(self, index, entry):
        fields = messagepack.decode(entry)
        kind = fields.get("type")
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind in ("genesis", "gap"):
            demand(list(fields) == ["v", "type", "body"], f"no {kind}")
            demand((kind == "genesis") == (index == 0), f"a {kind} as entry {index}")
            self.read_own(kind, index, messagepack.decode(fields["body"]))
            return
        readers = {
            "directory": self.read_directory,
            "decision": self.read_decision,
            "late": self.read_late,
            "superseded": self.read_superseded,
            "refusal": self.read_refusal,
            "note": self.read_note,
        }
        demand(index > 0 and kind in readers, f"a {kind} as entry {index}")
        readers[kind](Envelope(entry), tree.leaf(entry))

    def read_own(self, kind, index, body):
        if kind == "genesis":
            self.base = body["base_seq"]
        else:
            self.gaps[self.base + index - 1] = index
            demand(body["seq"] == self.base + index - 1, "it stands for another sequence")

    def read_directory(self, envelope, _):
        if envelope.digest in self.directories:
            return
        body, last = envelope.body, self.newest and self.newest.body
        envelope.verify(body["root"], ZEROS)
        if last:
            demand(body["serial"] > last["serial"], "the serial does not rise")
            demand(body["root"] in (last["root"], last["next_root"]), "the root is another one")
        trusted = [document.body["root"] for document in self.given]
        demand(not trusted or body["root"] in trusted, "the root is none that is trusted")
        self.newest = self.directories[envelope.digest] = Directory(envelope)
        self.newest_since = self.last_decided or None

    def check_revoked(self, envelope, at):
        """By any document, be it one that was logged later than the key was used."""
        documents = [*self.directories.values(), *self.given]
        revoked = any(document.revoked(envelope.key, at) for document in documents)
        demand(not revoked, f"the key of the {envelope.kind} was revoked by {at}")

    def check_carried(self, envelope, at):
        """What a decision carries is signed with keys that the newest document still has."""
        if not envelope.sig:
            return
        self.check_revoked(envelope, at)
        if at - self.newest.body["issued_ms"] > RELOAD:
            in_force = self.newest.has_in_force(envelope.key, at)
            demand(in_force, f"the key of the {envelope.kind} is in no newest document")

    def verify_own(self, envelope, role, name, at, digest):
        """Under the newest directory document that was logged before."""
        demand(self.newest is not None, "no directory document was logged before")
        self.check_revoked(envelope, at)
        envelope.verify(self.newest.key(envelope, role, name, at), digest)

    def read_note(self, envelope, _):
        body = envelope.body
        self.verify_own(envelope, "operator", body["operator"], body["at_ms"], ZEROS)
        for seq in body["seqs"] if body["kind"] == "gap" else []:
            self.gaps.pop(seq, None)

    def read_refusal(self, envelope, _):
        body = envelope.body
        digest = body["job_digest"]
        self.verify_own(envelope, "coordinator", body["coordinator"], body["at_ms"], digest)

    def read_superseded(self, envelope, _):
        body, lost = envelope.body, messagepack.decode(envelope.body["decision"])
        job, _, _ = self.read_asked(lost)
        stands = self.decisions.get((body["ca"], body["job"]))
        demand(stands is not None, "it lost to no decision")
        self.verify_own(envelope, "coordinator", body["coordinator"], body["at_ms"], job.digest)

    def read_late(self, envelope, leaf):
        body = envelope.body
        decision = self.by_leaf.get(body["decision_hash"])
        demand(decision is not None, "it names no decision")
        job, directory, assignments = self.read_asked(decision)
        self.verify_own(envelope, "coordinator", body["coordinator"], body["closed_ms"], job.digest)
        demand(self.late.setdefault(body["decision_hash"], leaf) == leaf, "there are two of them")
        closed = body["closed_ms"]
        demand(closed <= decision["decided_ms"] + LATE, "it was closed too late")
        missing = {missing["perspective"] for missing in decision["missing"]}
        for reply in body["replies"]:
            demand(reply["perspective"] in missing, "a late reply of one that was not missing")
            self.read_reply(reply, decision, job, directory, assignments, closed)
        for reply in body["rejected"]:
            self.read_rejected(reply, decision, job, directory, assignments)

    def read_asked(self, decision):
        """The job, the directory document and, by perspective, the assignment's digest."""
        directory = self.directories.get(decision["directory_hash"])
        demand(directory is not None, "it names no directory document logged before")
        at, jobs, asked = decision["requested_ms"], [decision["job_envelope"]], {}
        if decision["assignments"]:
            demand(jobs == [None], "a job beside assignments")
            jobs = []
        for octets in decision["assignments"]:
            assignment = Envelope(octets, "assignment")
            coordinator = decision["coordinator"]
            job = Envelope(assignment.body["job_envelope"], "job")
            key = directory.key(assignment, "coordinator", coordinator, at)
            assignment.verify(key, job.digest)
            self.check_carried(assignment, decision["started_ms"])
            jobs.append(assignment.body["job_envelope"])
            for code in assignment.body["perspectives"]:
                demand(code not in asked, f"{code} was asked twice")
                asked[code] = assignment.digest
        demand(len(set(jobs)) == 1, "it holds no job, or several")
        job = Envelope(jobs[0], "job")
        ca = [ca for ca in directory.body["cas"] if ca["code"] == job.body["ca"]]
        demand(len(ca) == 1, "the CA is none of the directory")
        if job.sig or ca[0]["sign_jobs"]:
            job.verify(directory.key(job, "ca", job.body["ca"], at), b"")
            self.check_carried(job, at)
        for field in ("ca", "job", "ca_request", "identifier"):
            demand(job.body[field] == decision[field], f"{field} is not the job's")
        return job, directory, asked

    def read_decision(self, envelope, leaf):
        body = envelope.body
        first = self.decisions.setdefault((body["ca"], body["job"]), leaf)
        demand(first == leaf, "a second decision on its job")
        job, directory, asked = self.read_asked(body)
        self.by_leaf[leaf] = body
        self.verify_own(envelope, "coordinator", body["coordinator"], body["decided_ms"], job.digest)
        self.check_times(body, directory)
        replies = {
            reply["perspective"]: self.read_reply(
                reply, body, job, directory, asked, body["decided_ms"]
            )
            for reply in body["replies"]
        }
        for reply in body["rejected"]:
            self.read_rejected(reply, body, job, directory, asked)
        heard = [reply["perspective"] for reply in body["replies"]]
        silent = [missing["perspective"] for missing in body["missing"]]
        primary = [code for code in [body["primary"]["perspective"]] if code is not None]
        everybody = sorted(body["cohort"] + primary)
        demand(sorted(heard + silent) == everybody, "somebody is missing, or there twice")
        redecide(body, job.body, directory, replies)

    def check_times(self, decision, directory):
        """Made, requested, asked, decided; soon, not far before others, under a document in use."""
        made = int.from_bytes(decision["job"][:6], "big")
        requested, started = decision["requested_ms"], decision["started_ms"]
        decided = decision["decided_ms"]
        times = (made, requested, started, decided)
        demand(all(a <= b + CLOCKS for a, b in zip(times, times[1:])), f"the times {times}")
        demand(decided - made <= JOB_AGE, f"the job of {made} was decided at {decided}")
        demand(self.last_decided - decided <= FALL, f"{decided} is long before {self.last_decided}")
        self.last_decided = max(self.last_decided, decided)
        self.newest_since = self.newest_since or self.last_decided
        is_newest = directory.body["serial"] >= self.newest.body["serial"]
        in_use = is_newest or decided - self.newest_since <= STALE
        demand(in_use, "it was made under a document that was replaced long before")

    def read_reply(self, element, decision, job, directory, asked, closed):
        """The body of a reply that its perspective signed for this very assignment, in time."""
        code, reply = element["perspective"], Envelope(element["reply"], "reply")
        demand(code in asked, f"{code} replied and was not asked")
        body, received = reply.body, element["received_ms"]
        for at in (received, body["ended_ms"]):
            reply.verify(directory.key(reply, "agent", code, at), asked[code])
        self.check_carried(reply, body["ended_ms"])
        role = "primary" if code == decision["primary"]["perspective"] else "remote"
        said = [body[name] for name in ("perspective", "role", "job", "job_digest", "identifier")]
        wanted = [code, role, decision["job"], job.digest, decision["identifier"]]
        demand(said == wanted, f"the reply of {code} answers something else")
        demand(body["outcome"] == "observed", f"{code} was busy")
        demand(set(body["observations"]) == checks_of(job.body), f"{code} has other checks")
        started, ended = body["started_ms"], body["ended_ms"]
        in_order = decision["started_ms"] <= started + CLOCKS and started <= ended
        in_time = ended <= received + CLOCKS and received <= closed
        demand(in_order and in_time, f"the times of {code}: {started}, {ended}, {received}")
        return body

    def read_rejected(self, element, decision, job, directory, asked):
        """A reply that was put aside for what it is must be so."""
        if element["raw"] is None:
            return
        demand(sha256(element["raw"]) == element["hash"], "a rejected reply has another hash")
        code = element["perspective"]
        if code is None or element["reason"] not in BY_OCTETS:
            return
        reply = {"perspective": code, "received_ms": element["received_ms"], "reply": element["raw"]}
        try:
            self.read_reply(reply, decision, job, directory, asked, math.inf)
        except WRONG:
            return
        raise Malformed(f"the reply of {code} was rejected, and holds")


def checks_of(job):
    return {check for check in ("dcv", "caa") if job[check] is not None}


def expected(job, check):
    """The hash that remotes must have seen where the CA keeps its own determination."""
    if check == "caa":
        return None
    fields = ("key_authorization", "digest", "challenge", "contact", "address", "expected_fqdn")
    values = [job["dcv"][field] for field in fields if field in job["dcv"]]
    accounts = job["dcv"].get("account_uris", [])
    values += accounts if len(accounts) == 1 else []
    value = values[0] if values else None
    return sha256(value.encode() if isinstance(value, str) else value) if value else None


def redecide(decision, job, directory, replies):
    at, cohort = decision["requested_ms"], decision["cohort"]
    entries = {code: directory.perspective(code, at) for code in cohort}
    demand(list(entries) == sorted(entries), "the cohort is not sorted")
    places = [primary_place(decision, directory), *map(place, entries.values())]
    demand(decide.are_distinct(places), "the cohort is not distinct")
    regions = {code: entry["registry"] for code, entry in entries.items()}
    allowed = set(decision["relaxations"])

    def observation(code, check):
        reply = replies.get(code)
        counts = reply is not None and set(reply["relaxations"]) <= allowed
        return reply["observations"].get(check) if counts else None

    def judge(primary_passed, corroborating):
        policy = directory.body["policy"]
        return decide.decide(job, policy, at, regions, primary_passed, corroborating)

    demand(set(decision["checks"]) == checks_of(job), "it has other checks than the job")
    passed, corroborating, outcomes = [], [], []
    for check, record in decision["checks"].items():
        primary = (True, expected(job, check))
        if decision["primary"]["source"] == "agent":
            seen = observation(decision["primary"]["perspective"], check) or {}
            primary = (seen.get("verdict") == "pass", seen.get("observed"))
        findings = {code: decide.finding(primary, observation(code, check)) for code in cohort}
        demand(findings == record["findings"], f"{check}: the findings are {findings}")
        passed.append(primary[0])
        corroborating.append({code for code in cohort if findings[code] == "corroborate"})
        outcomes.append(compare(check, record, judge(passed[-1], corroborating[-1])))
    demand((decision["both"] is not None) == (len(outcomes) > 1), "`both` is there or is not")
    if len(outcomes) > 1:
        both = judge(all(passed), set.intersection(*corroborating))
        outcomes.append(compare("both", decision["both"], both))
    corroborated = bool(outcomes) and all(outcome == "corroborate" for outcome in outcomes)
    outcome = "corroborate" if corroborated else "refuse"
    demand(decision["outcome"] == outcome, f"the outcome is {outcome}")


def compare(what, record, decided):
    demand((record["quorum"], record["outcome"]) == decided, f"{what}: it must be {decided}")
    demand(bool(record["shortfalls"]) == (decided[1] == "refuse"), f"{what}: shortfalls")
    return decided[1]


def place(entry):
    """Where a perspective is, and where its resolver is."""
    resolver = entry["resolver_latitude_udeg"], entry["resolver_longitude_udeg"]
    return (entry["latitude_udeg"], entry["longitude_udeg"]), resolver


def primary_place(decision, directory):
    primary = decision["primary"]
    if primary["source"] == "agent":
        return place(directory.perspective(primary["perspective"], decision["requested_ms"]))
    ca = next(ca for ca in directory.body["cas"] if ca["code"] == decision["ca"])
    demand(ca["primary"] is not None, "the CA's own primary has no place")
    at = ca["primary"]["latitude_udeg"], ca["primary"]["longitude_udeg"]
    return at, at


def given_document(path):
    envelope = Envelope(pathlib.Path(path).read_bytes(), "directory")
    envelope.verify(envelope.body["root"], ZEROS)
    return Directory(envelope)


def main(directory, vkey_file, *directory_files):
    wrong, log = 0, Log([given_document(path) for path in directory_files])
    size, root = tree.open_checkpoint(
        pathlib.Path(directory, "checkpoint").read_bytes(), pathlib.Path(vkey_file).read_text()
    )
    entries = tree.entries(directory, size)
    if tree.root([tree.leaf(entry) for entry in entries]) != root:
        raise Malformed("the entries have another root than the checkpoint")
    for index, entry in enumerate(entries):
        try:
            log.read(index, entry)
        except WRONG as error:
            wrong += 1
            print(f"entry {index}: {type(error).__name__}: {error}")
    for seq, index in sorted(log.gaps.items()):
        wrong += 1
        print(f"entry {index}: no note explains the loss of sequence {seq}")
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(log.counts.items(), key=str))
    print(f"{size} entries under the root {root.hex()}: {counts}; {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(main(*sys.argv[1:]))
    except (Malformed, OSError, ValueError) as error:
        print(f"cannot be read as a log: {error}")
        sys.exit(1)
