"""A gateway that takes little at a time: what is more than that is told to come again, and what it
has begun it ends.

It takes three requests at a time of a CA, and answers about `slow.example` come after more than
a second.
"""

import concurrent.futures
import os
import signal
import time

import httpx

from methods import caa

AT_ONCE = 3
WITHIN_S = 20
CLOSED = (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError)


def slow(service, number: int = 0):
    """Asks for what takes a while."""
    request = caa("slow.example")
    request["trace_identifier"] = f"order-{number}"
    return request, service.post(request)


def test_more_than_a_ca_may_ask_at_once_is_put_off(service):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: slow(service, number), range(12)))
    statuses = [response.status_code for _, response in answers]
    assert set(statuses) == {200, 429} and statuses.count(200) >= AT_ONCE
    for request, response in answers:
        if response.status_code == 200:
            assert service.checked(request, response).is_valid
        else:
            assert response.headers["retry-after"] == "1"
            assert response.json() == {"error": "too-many-requests"}
    assert service.answer(caa("honest.example")).is_valid, "it recovers at once"


def test_a_client_that_goes_away_frees_its_place(service):
    for _ in range(AT_ONCE * 2):
        try:
            service.bare.post(
                "/mpic", json=caa("slow.example"), timeout=0.2,
                headers={"x-api-key": service.system["key"]})
        except httpx.ReadTimeout:
            pass
    until = time.monotonic() + WITHIN_S
    while (response := service.post(caa("honest.example"))).status_code == 429:
        assert time.monotonic() < until, "the places are never free again"
    assert response.status_code == 200


def test_what_was_begun_is_ended_and_nothing_else_is_begun(service):
    """Ends the gateway, so it comes last."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        until = time.monotonic() + WITHIN_S
        while not (begun := all_begun(service, pool)):
            assert time.monotonic() < until, "they are never all with the gateway"
        os.kill(service.system["gateway_pid"], signal.SIGTERM)
        refusals = 0
        while not all(future.done() for future in begun):
            assert time.monotonic() < until
            refusals += is_refused(service)
        assert refusals > 0
        for future in begun:
            request, response = future.result()
            assert response.status_code == 200
            assert service.checked(request, response).is_valid


def all_begun(service, pool) -> list:
    """As many requests as it takes at a time, all of them in flight; none if one of them was
    answered before they were."""
    begun = [pool.submit(taken, service, number) for number in range(AT_ONCE)]
    while not any(future.done() for future in begun):
        if service.post(caa("honest.example")).status_code == 429:
            if not any(future.done() for future in begun):
                return begun
    concurrent.futures.wait(begun)
    return []


def taken(service, number: int):
    """Asks until there is a place, which the request that looks for one may have."""
    while (asked := slow(service, number))[1].status_code == 429:
        pass
    return asked


def is_refused(service) -> bool:
    """Whether a new request is told that the gateway ends, or finds nobody listening any more."""
    try:
        response = service.post(caa("honest.example"))
        if response.status_code != 503:
            assert response.status_code == 429, "the signal has not arrived yet"
            return False
        assert int(response.headers["retry-after"]) >= 1 and response.json()["error"]
        ready = service.bare.get("/readyz")
        assert ready.status_code == 503 and ready.json()["status"] == "not-ready"
        assert ready.json()["reasons"]
    except CLOSED:
        pass
    return True
