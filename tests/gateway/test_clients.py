"""Both kinds of clients get through every method: pass, fail, and requests that are wrong."""

import json

import open_mpic_core
import pytest
from pydantic import TypeAdapter

import methods
from methods import FAILING, PASSING, PUBLISHED

CAA = {
    "caa": methods.caa("honest.example"),
    "caa of a mailbox": methods.caa("honest.example", certificate_type="s-mime", caa_domains=[]),
    "caa of a wildcard": methods.caa("*.methods.example", caa_domains=["ca.example"]),
}


def by_generated_client(service, request: dict, bearer: bool = False):
    """What the client generated from the published file makes of the answer."""
    published = service.published
    header = {} if bearer else {"prefix": "", "auth_header_name": "x-api-key"}
    client = published.client.AuthenticatedClient(
        base_url=service.system["url"], token=service.system["key"], timeout=35,
        raise_on_unexpected_status=True, **header)
    with client as client:
        body = published.request(request)
        return published.post_mpic.sync_detailed(client=client, body=body)


@pytest.mark.parametrize("name", [*CAA, *PUBLISHED])
def test_the_generated_client_gets_a_yes(service, name):
    request = {**CAA, **PUBLISHED}[name]
    service.published.check_request(request)
    response = by_generated_client(service, request, bearer=name in CAA)
    assert response.status_code == 200
    kind = "DCVResponse" if request["check_type"] == "dcv" else "CAAResponse"
    assert type(response.parsed).__name__ == kind
    assert response.parsed.is_valid is True and response.parsed.mpic_completed is True
    body = json.loads(response.content)
    assert response.parsed.to_dict() == body
    for entry in response.parsed.perspectives:
        details = type(entry.check_response.details).__name__
        assert details == details_model(request), "by its members alone it is told apart"


def details_model(request: dict) -> str:
    """The generated model that details must be taken for."""
    if request["check_type"] == "caa":
        return "CheckResponseCAADetails"
    method = request["dcv_check_parameters"]["validation_method"]
    kinds = {"acme-http-01": "HTTP", "website-change": "HTTP", "acme-tls-alpn-01": "TLSALPN"}
    return f"{kinds.get(method, 'DNS')}MethodCheckResponseDetails"


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_generated_client_gets_a_no(service, name):
    request = methods.changed(PASSING[name], **FAILING[name][0])
    response = by_generated_client(service, request)
    assert response.status_code == 200
    assert response.parsed.is_valid is False
    assert response.parsed.to_dict() == json.loads(response.content)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_generated_client_is_told_what_is_wrong_with_a_request(service, name):
    request = {**PUBLISHED[name], "orchestration_parameters": {"perspective_count": 99}}
    response = by_generated_client(service, request)
    assert response.status_code == 400 and response.parsed is None
    issues = json.loads(response.content)["validation_issues"]
    assert [issue["issue_type"] for issue in issues] == ["invalid-perspective-count"]


def library_requests(request: dict) -> list:
    """The same request as the library's models write it: with nulls and all defaults, and without."""
    model = TypeAdapter(open_mpic_core.MpicRequest).validate_python(request)
    whole = json.loads(model.model_dump_json())
    return [whole, json.loads(model.model_dump_json(exclude_none=True))]


@pytest.mark.parametrize("name", [*CAA, *PASSING])
def test_a_request_that_the_library_writes_gets_a_yes(service, name):
    first, *others = library_requests({**CAA, **PASSING}[name])
    assert service.answer(first).is_valid
    # The same rules read it, so the shorter form is asked for one method only.
    for request in others if name in ("caa", "dns-change TXT") else []:
        assert service.answer(request).is_valid


@pytest.mark.parametrize("name", PASSING)
def test_a_value_that_is_not_there_is_a_no_with_its_reason(service, name):
    values, reasons = FAILING[name]
    answer = service.answer(methods.changed(PASSING[name], **values))
    assert not answer.is_valid
    assert answer.reasons == reasons
    assert answer.body["mpic_completed"], "no is an answer"


def test_an_ended_method_is_a_no(service):
    for request in [methods.ENDED, library_requests(methods.ENDED)[0]]:
        answer = service.answer(request)
        assert not answer.is_valid and not answer.body["mpic_completed"]
        assert answer.refused == ["method_sunset"] and answer.actual["attempt_count"] == 0
        assert answer.reasons == {"method_sunset"}
        assert answer.error_types == {"dcv_checker:parameter"}
