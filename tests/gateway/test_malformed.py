"""Octets that are no request: the specified refusal, never a failure of the server and never a hang."""

import json
import random
import re
import subprocess
import threading
from http.client import HTTPException

import pytest

import methods
from methods import caa
from raw import Connection

CAA = caa("honest.example")
TEXT = json.dumps(CAA)
BODY_MAX = 32_768
HEAD_MAX = 16_384

NOT_JSON = {
    "nothing": b"",
    "white space": b" \n",
    "text": b"hello",
    "half of it": TEXT[:-1].encode(),
    "more after it": TEXT.encode() + b"{}",
    "an array": f"[{TEXT}]".encode(),
    "a string": b'"caa"',
    "a number": b"7",
    "null": b"null",
    "single quotes": TEXT.replace('"', "'").encode(),
    "a comment": b"/* */" + TEXT.encode(),
    "a trailing comma": TEXT[:-1].encode() + b",}",
    "not a number": TEXT[:-1].encode() + b',"a":NaN}',
    "an octet that is no UTF-8": TEXT[:-1].encode() + b',"a":"\xff"}',
    "an overlong form": TEXT[:-1].encode() + b',"a":"\xc0\x80"}',
    "UTF-16": TEXT.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "a NUL": TEXT.encode() + b"\0",
    "a bare control": TEXT[:-1].encode() + b',"a":"\x01"}',
    "half a surrogate": TEXT[:-1].encode() + b',"domain_or_ip_target":"\\ud800"}',
    "a member twice": TEXT[:-1].encode() + b',"check_type":"caa"}',
    "an escaped member twice": TEXT[:-1].encode() + b',"check\\u005ftype":"caa"}',
    "a member twice below": TEXT[:-1].encode()
    + b',"orchestration_parameters":{"quorum_count":5,"quorum_count":4}}',
    "a member twice in what is ignored": TEXT[:-1].encode() + b',"x":{"y":1,"y":1}}',
    "seventeen deep": TEXT[:-1].encode() + b',"x":' + b"[" * 17 + b"]" * 17 + b"}",
    "objects without end": b'{"a":' * 6_000,
    "arrays without end": b"[" * BODY_MAX,
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_not_one_object_is_refused(service, name):
    issues = service.issues(NOT_JSON[name])
    assert issues[0][0] == "json_invalid", issues


def test_fifteen_deep_is_not_too_deep(service):
    body = {**CAA, "x": json.loads("[" * 14 + "]" * 14)}
    assert service.answer(body).is_valid


def test_noise_is_refused(service):
    noise = random.Random(1)
    for _ in range(40):
        response = service.post(noise.randbytes(noise.randrange(1, 400)))
        assert response.status_code == 400, response.text


def test_changed_octets_are_refused_or_understood(service):
    noise = random.Random(2)
    whole = json.dumps(methods.PASSING["dns-change TXT"]).encode()
    for _ in range(60):
        octets = bytearray(whole)
        for _ in range(noise.randrange(1, 4)):
            octets[noise.randrange(len(octets))] = noise.randrange(256)
        response = service.post(bytes(octets))
        assert response.status_code in (200, 400), (bytes(octets), response.text)


def test_a_body_is_as_long_as_it_may_be_and_no_longer(service):
    fits = TEXT.ljust(BODY_MAX).encode()
    assert service.post(fits).status_code == 200
    response = service.post(fits + b" ")
    assert response.status_code == 413 and response.json() == {"error": "body-too-large"}


def test_a_body_that_only_claims_to_be_long_is_refused_before_it_comes(service):
    with Connection(service.system["url"]) as connection:
        connection.head(*credentials(service), "Content-Length: 99999999999")
        assert connection.answer()[0] == 413


def test_a_body_in_chunks_without_end_is_cut_off(service):
    with Connection(service.system["url"]) as connection:
        connection.head(*credentials(service), "Transfer-Encoding: chunked")
        for _ in range(5):
            connection.send(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
        assert connection.answer()[0] == 413


def test_chunks_make_a_body(service):
    with Connection(service.system["url"]) as connection:
        connection.head(*credentials(service), "Transfer-Encoding: chunked")
        for letter in TEXT:
            connection.send(f"1\r\n{letter}\r\n".encode())
        connection.send(b"0\r\n\r\n")
        assert connection.answer()[0] == 200


def credentials(service) -> list:
    """Head lines that every request needs."""
    return [f"x-api-key: {service.system['key']}", "Content-Type: application/json"]


def test_a_head_that_is_too_long_is_refused(service):
    with Connection(service.system["url"]) as connection:
        connection.head(*credentials(service), "X-Long: " + "a" * HEAD_MAX, "Content-Length: 0")
        status, _, body = connection.answer()
        assert status == 431 and json.loads(body) == {"error": "head-too-large"}


@pytest.mark.parametrize("lines", [
    ["X-Long: " + "a" * 500_000], [f"X-{number}: {number}" for number in range(20_000)]],
    ids=["one line", "many lines"])
def test_a_head_without_end_is_not_read_to_its_end(service, lines):
    with Connection(service.system["url"]) as connection:
        connection.head(*credentials(service), *lines, "Content-Length: 0")
        # Whoever still sends may find the connection closed before the answer is read.
        try:
            assert connection.answer()[0] == 431
        except (ConnectionError, HTTPException):
            pass


@pytest.mark.parametrize("lines", [
    ["Content-Type: text/plain"], ["Content-Type: application/xml"],
    ["Content-Type: application/json; charset=latin-1"],
    ["Content-Type: application/json", "Content-Encoding: gzip"],
    ["Content-Type: application/x-www-form-urlencoded"]],
    ids=lambda lines: lines[-1])
def test_a_body_of_another_type_is_refused(service, lines):
    with Connection(service.system["url"]) as connection:
        key = f"x-api-key: {service.system['key']}"
        connection.head(key, *lines, f"Content-Length: {len(TEXT)}")
        connection.send(TEXT.encode())
        status, _, body = connection.answer()
        assert status == 415 and json.loads(body) == {"error": "unsupported-media-type"}


@pytest.mark.parametrize("lines", [
    [], ["Content-Type: application/json"], ["Content-Type: application/json; charset=UTF-8"],
    ["Content-Type: application/problem+json"], ["Content-Type: APPLICATION/JSON"]],
    ids=lambda lines: "".join(lines) or "none")
def test_a_body_of_this_type_is_read(service, lines):
    with Connection(service.system["url"]) as connection:
        key = f"x-api-key: {service.system['key']}"
        connection.head(key, *lines, f"Content-Length: {len(TEXT)}")
        connection.send(TEXT.encode())
        assert connection.answer()[0] == 200


@pytest.mark.parametrize("octets", [
    b"\0\0\0\0\r\n\r\n", b"POST\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
    b"POST /mpic HTTP/1.1\r\nContent-Length: a\r\n\r\n",
    b"POST /mpic HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /mpic HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nX-A: a\0b\r\n\r\n", b"GET /a b HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nx y: 1\r\n\r\n"],
    ids=lambda octets: ascii(octets[:50]))
def test_what_is_no_http_is_refused_and_hung_up_on(service, octets):
    with Connection(service.system["url"], timeout=20) as connection:
        connection.send(octets)
        assert connection.rest().startswith(b"HTTP/1.1 400 ")
        assert connection.is_closed()


def test_many_fields_in_a_head_are_read(service):
    with Connection(service.system["url"]) as connection:
        fields = [f"X-{number}: {number}" for number in range(800)]
        connection.head(*credentials(service), *fields, f"Content-Length: {len(TEXT)}")
        connection.send(TEXT.encode())
        assert connection.answer()[0] == 200


# Every member as long as it may be.
LONGEST = {**methods.dcv(
    ".".join(["a" * 61] * 4), "website-change", challenge_value="v" * 255,
    http_token_path="p" * 512, match_regex="r" * 512,
    http_headers={f"x-{number:02}": "h" * 252 for number in range(16)}),
    "trace_identifier": "t" * 128}


def test_the_longest_request_fits_a_job_however_it_comes(service):
    response = service.post(LONGEST)
    assert response.status_code == 200 and response.headers["mpic-job"]
    with Connection(service.system["url"]) as connection:
        connection.head(*credentials(service), "Transfer-Encoding: chunked")
        body = json.dumps(LONGEST).encode()
        for start in range(0, len(body), 1_000):
            chunk = body[start:start + 1_000]
            connection.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        connection.send(b"0\r\n\r\n")
        status, headers, _ = connection.answer()
        assert status == 200 and headers["mpic-job"]


@pytest.mark.parametrize("lines", [
    ["Content-Length: 4", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 4"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    ["Transfer-Encoding: identity, chunked", "Content-Length: 4"],
    ["Transfer-Encoding : chunked"], ["Content-Length: +4"], ["Content-Length: 4, 4, 5"],
    ["Content-Length: 4", "Content-Length: 5"], ["Transfer-Encoding: xchunked"],
    ["X-Folded: a\r\n b", "Content-Length: 4"], ["Content-Length: 0x4"], ["Content-Length:"]],
    ids=lambda lines: " ".join(lines)[:60])
def test_two_ways_to_read_one_message_smuggle_nothing(service, lines):
    """Whoever reads the length in another way must not find a second request in the rest."""
    inner = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    with Connection(service.system["url"], timeout=20) as connection:
        connection.head(*credentials(service), *lines)
        connection.send(b"0\r\n\r\n" + inner)
        answers = connection.rest()
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", answers)]
    assert len(statuses) <= 1 and all(400 <= status < 500 for status in statuses), answers


def test_requests_that_follow_at_once_are_answered_in_their_order(service):
    with Connection(service.system["url"]) as connection:
        bodies = [json.dumps(caa("honest.example")), "{", json.dumps(caa("c3.example")), "[]"]
        for body in bodies:
            connection.head(*credentials(service), f"Content-Length: {len(body)}")
            connection.send(body.encode())
        connection.head("Connection: close", path="/healthz", method="GET")
        answers = connection.rest()
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"400", b"200", b"400", b"200"]
    assert re.findall(rb'"is_valid":(\w+)', answers) == [b"true", b"false"]
    assert answers.endswith(b'{"status":"healthy"}')


def test_who_asks_whether_to_go_on_is_told_so_or_refused_at_once(service):
    with Connection(service.system["url"]) as connection:
        length = f"Content-Length: {len(TEXT)}"
        connection.head(*credentials(service), length, "Expect: 100-continue")
        assert connection.socket.recv(64).startswith(b"HTTP/1.1 100 ")
        connection.send(TEXT.encode())
        assert connection.answer()[0] == 200
    with Connection(service.system["url"]) as connection:
        too_long = f"Content-Length: {BODY_MAX + 1}"
        connection.head(*credentials(service), too_long, "Expect: 100-continue")
        assert connection.answer()[0] == 413


def test_frames_of_http_2_without_tls_are_answered_alike(service):
    ran = subprocess.run(
        ["curl", "--silent", "--http2-prior-knowledge", "--header", credentials(service)[0],
         "--data", TEXT, "--header", "Content-Type: application/json", "--write-out",
         "\n%{http_version} %{http_code}", service.system["url"] + "/mpic"],
        capture_output=True, text=True, timeout=60, check=True)
    body, outcome = ran.stdout.rsplit("\n", 1)
    assert outcome == "2 200" and json.loads(body)["is_valid"]


def drip(service, outcomes: dict) -> None:
    """Sends a body octet by octet until it is hung up on."""
    with Connection(service.system["url"], timeout=30) as connection:
        connection.head(*credentials(service), "Content-Length: 1000")
        connection.socket.settimeout(0.2)
        answer = b""
        for _ in range(200):
            connection.send(b" ")
            try:
                answer += connection.socket.recv(4_096)
                break
            except TimeoutError:
                continue
        outcomes["drip"] = answer


def slow(service, outcomes: dict, name: str, *parts: bytes) -> None:
    """Sends the parts and then nothing more; keeps the answer and whether it is the last."""
    with Connection(service.system["url"], timeout=30) as connection:
        for part in parts:
            connection.send(part)
        try:
            status = connection.answer()[0]
        except (OSError, HTTPException) as error:
            status = type(error).__name__
        outcomes[name] = (status, connection.is_closed())


def test_whoever_does_not_finish_is_told_so_and_hung_up_on(service):
    key = f"x-api-key: {service.system['key']}\r\n".encode()
    start = b"POST /mpic HTTP/1.1\r\nHost: a\r\n" + key
    outcomes, threads = {}, []
    for name, parts in {
        "half a head": [start],
        "half a body": [start + b"Content-Length: 100\r\n\r\n{"],
        "half a chunk": [start + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"],
    }.items():
        threads.append(threading.Thread(target=slow, args=(service, outcomes, name, *parts)))
        threads[-1].start()
    threads.append(threading.Thread(target=drip, args=(service, outcomes)))
    threads[-1].start()
    for thread in threads:
        thread.join(60)
    dripped = outcomes.pop("drip")
    assert dripped.startswith(b"HTTP/1.1 408 ") and dripped.endswith(b'{"error":"request-timeout"}')
    assert outcomes.pop("half a head")[1] is True, "at least hung up on"
    assert outcomes == {"half a body": (408, True), "half a chunk": (408, True)}


def test_the_server_still_works(service):
    assert service.answer(CAA).is_valid
