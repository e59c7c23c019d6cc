"""Who may ask, and what else is served."""

import json

import httpx
import pytest
import yaml

import clients
from methods import caa
from raw import Connection

CAA = caa("honest.example")
UNAUTHORIZED = {"error": "unauthorized"}
# Failed attempts are counted by address, so each test has its own.
FAILURES_MAX = 10


def from_address(service, source: str) -> httpx.Client:
    """A client at another address."""
    transport = httpx.HTTPTransport(local_address=source)
    return httpx.Client(base_url=service.system["url"], transport=transport, timeout=35)


def test_no_key_a_wrong_one_and_an_unknown_scheme_are_refused_alike(service):
    key = service.system["key"]
    with from_address(service, "127.0.9.1") as http:
        bodies = set()
        for headers in [
            {}, {"x-api-key": ""}, {"x-api-key": "x" * len(key)}, {"x-api-key": key[:-1]},
            {"authorization": f"Basic {key}"}, {"authorization": "Bearer"},
            {"x-api-key": key, "authorization": "Bearer " + "x" * len(key)},
        ]:
            response = http.post("/mpic", json=CAA, headers=headers)
            assert response.status_code == 401, headers
            assert response.headers["www-authenticate"] == 'Bearer realm="mpic"'
            assert response.headers["cache-control"] == "no-store"
            bodies.add(response.content)
        (body,) = bodies
        assert json.loads(body) == UNAUTHORIZED and key.encode() not in body


def test_a_key_is_taken_in_either_header_and_twice_if_it_is_one(service):
    key = service.system["key"]
    for headers in [
        {"x-api-key": key}, {"authorization": f"Bearer {key}"},
        {"x-api-key": key, "authorization": f"Bearer {key}"}, {"authorization": f"bearer {key}"},
    ]:
        assert service.bare.post("/mpic", json=CAA, headers=headers).status_code == 200, headers


def test_who_is_not_known_is_refused_before_the_body_is_read(service):
    with from_address(service, "127.0.9.2") as http:
        assert http.post("/mpic", content=b"x" * 100_000).status_code == 401


def test_who_says_to_come_through_a_proxy_is_still_itself(service):
    with from_address(service, "127.0.9.3") as http:
        headers = {
            "x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1", "x-client-cert": "x",
            "ssl-client-verify": "SUCCESS"}
        assert http.post("/mpic", json=CAA, headers=headers).status_code == 401


def test_whoever_guesses_is_shut_out_and_nobody_else(service):
    with from_address(service, "127.0.9.4") as http:
        statuses = [http.post("/mpic", json=CAA).status_code for _ in range(FAILURES_MAX + 2)]
        assert statuses[:FAILURES_MAX] == [401] * FAILURES_MAX
        assert statuses[-1] == 429
        response = http.post("/mpic", json=CAA)
        assert response.json() == {"error": "too-many-requests"}
        assert int(response.headers["retry-after"]) >= 1
        # All may come from the address of one proxy, so one who guesses must not shut out others.
        known = {"x-api-key": service.system["key"]}
        assert http.post("/mpic", json=CAA, headers=known).status_code == 200
    assert service.post(CAA).status_code == 200


@pytest.mark.parametrize("path", ["/mpic", "//mpic", "/mpic/", "/v1/mpic", "/v1//mpic//", "///mpic"])
def test_the_endpoint_answers_wherever_clients_look_for_it(service, path):
    with Connection(service.system["url"]) as connection:
        body = json.dumps(CAA)
        key = f"x-api-key: {service.system['key']}"
        connection.head(key, f"Content-Length: {len(body)}", path=path)
        connection.send(body.encode())
        status, _, answer = connection.answer()
        assert status == 200 and json.loads(answer)["is_valid"]


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_life_and_readiness_are_told_to_anybody(service, prefix, method):
    for path, body in [("healthz", {"status": "healthy"}), ("readyz", {"status": "ready"})]:
        response = service.bare.request(method, f"{prefix}/{path}")
        assert response.status_code == 200
        if method == "GET":
            assert response.json() == body


def test_the_served_document_is_the_published_one_with_additions(service):
    served = service.bare.get("/openapi.json")
    assert served.status_code == 200 and served.headers["content-type"] == "application/json"
    served = served.json()
    published = yaml.safe_load(clients.PUBLISHED.read_text())
    assert served["openapi"] == published["openapi"]
    assert served["components"]["schemas"] == published["components"]["schemas"]
    assert served["info"]["version"] == published["info"]["version"]
    assert served["info"]["x-mpic-gateway"]
    assert served["components"]["securitySchemes"]
    post, original = served["paths"]["/mpic"]["post"], published["paths"]["/mpic"]["post"]
    assert post["requestBody"] == original["requestBody"]
    assert post["responses"]["200"]["content"] == original["responses"]["200"]["content"]
    statuses = {"200", "400", "401", "408", "413", "415", "429", "431", "500", "503", "504"}
    assert statuses <= set(post["responses"])


@pytest.mark.parametrize("method,path,allow", [
    ("GET", "/mpic", {"POST"}), ("PUT", "/mpic", {"POST"}), ("DELETE", "/mpic", {"POST"}),
    ("OPTIONS", "/mpic", {"POST"}), ("HEAD", "/mpic", {"POST"}), ("BREW", "/mpic", {"POST"}),
    ("POST", "/healthz", {"GET", "HEAD"}), ("DELETE", "/readyz", {"GET", "HEAD"}),
    ("POST", "/openapi.json", {"GET", "HEAD"})])
def test_another_method_is_told_which_there_are(service, method, path, allow):
    response = service.http.request(method, path)
    assert response.status_code == 405
    assert {name.strip() for name in response.headers["allow"].split(",")} == allow
    if method != "HEAD":
        assert response.json() == {"error": "method-not-allowed"}


@pytest.mark.parametrize("path", [
    "/", "/configz", "/mpic/x", "/v2/mpic", "/MPIC", "/mpic%2f..", "/..%2f..%2fetc/passwd",
    "/v1/v1/mpic", "/metrics", "/%00", "/openapi.yaml"])
def test_another_path_is_not_found(service, path):
    for method in ["GET", "POST"]:
        response = service.http.request(method, path)
        assert response.status_code == 404, path
        assert response.json() == {"error": "not-found"}
