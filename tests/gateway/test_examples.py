"""The harness against answers known to be right, and against the same ones damaged."""

import copy
import json
from pathlib import Path

import pytest

import clients
import shape

LINES = [json.loads(line) for line in Path(__file__).with_name("examples.jsonl").open()]
BODIES = [line for line in LINES if "is_valid" in line]
METHODS = [line for line in LINES if "check_response" in line]


def whole(example: dict) -> dict:
    """The answer of one attempt in which four remotes say the same."""
    response = example["check_response"]
    codes = ["af-south", "ap-south", "eu-west", "us-east"]
    completed = response["check_completed"]
    return {
        "check_type": "dcv",
        "domain_or_ip_target": "example.com",
        "is_valid": response["check_passed"],
        "mpic_completed": completed,
        "request_orchestration_parameters": {},
        "actual_orchestration_parameters": {
            "perspective_count": 4, "quorum_count": 3, "attempt_count": 1},
        "dcv_check_parameters": example["dcv_check_parameters"],
        "perspectives": [
            {"perspective_code": code, "check_response": copy.deepcopy(response)} for code in codes],
        "previous_attempt_results": [],
    }


def request_of(answer: dict) -> dict:
    """A request that such an answer answers."""
    names = ["check_type", "domain_or_ip_target", "trace_identifier"]
    names += ["caa_check_parameters", "dcv_check_parameters"]
    request = {name: answer[name] for name in names if name in answer}
    request["orchestration_parameters"] = answer["request_orchestration_parameters"]
    return request


ANSWERS = BODIES + [whole(example) for example in METHODS]
NAMES = ["caa", "no identifier"]
NAMES += [example["dcv_check_parameters"]["validation_method"] for example in METHODS]
# The published file lacks this method, so its clients never see it.
PERSISTENT = "dns-persistent"
TO_BOTH = [(name, answer) for name, answer in zip(NAMES, ANSWERS) if name != PERSISTENT]


def test_there_is_an_example_of_every_method():
    assert len(NAMES) == len(set(NAMES)) == len(ANSWERS) == 14


@pytest.mark.parametrize("answer", ANSWERS, ids=NAMES)
def test_an_example_has_the_specified_shape(answer):
    shape.check_answer(request_of(answer), answer)


@pytest.mark.parametrize("name,answer", TO_BOTH, ids=lambda value: value if type(value) is str else "")
def test_the_generated_client_takes_an_example_whole(published, name, answer):
    parsed = published.parse(answer)
    assert parsed.is_valid == answer["is_valid"]


@pytest.mark.parametrize("name", ["is_valid", "mpic_completed", "perspectives", "check_type"])
def test_the_generated_client_takes_no_answer_that_lacks_a_member(published, name):
    for _, answer in TO_BOTH:
        with pytest.raises((KeyError, ValueError)):
            published.parse({key: value for key, value in answer.items() if key != name})


@pytest.mark.parametrize("answer", ANSWERS, ids=NAMES)
def test_the_models_of_the_library_take_an_example(answer):
    parsed = clients.library_answer(answer)
    assert parsed.is_valid == answer["is_valid"]
    assert len(parsed.perspectives) == len(answer["perspectives"])


def places(value, path=()):
    """The path of every member below."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*path, name)
            yield from places(member, (*path, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def damaged(answer: dict, path: tuple, change) -> dict:
    """A copy with one member changed."""
    copied = copy.deepcopy(answer)
    parent = copied
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return copied


def remove(parent, name):
    del parent[name]


def add(parent, name):
    parent["surplus"] = parent[name]


def retype(parent, name):
    parent[name] = {"of": "another type"} if not isinstance(parent[name], dict) else 7


def test_an_example_with_one_member_missing_surplus_or_of_another_type_has_not_that_shape():
    seen = 0
    for answer in ANSWERS:
        request = request_of(answer)
        for path in places(answer):
            for change in [remove, add, retype]:
                # Whatever a client may choose itself is not the server's.
                if any(step in shape.CHECK.values() for step in path):
                    continue
                with pytest.raises((AssertionError, KeyError, TypeError)):
                    shape.check_answer(request, damaged(answer, path, change))
                    raise RuntimeError(f"{change.__name__} {path} is taken")
                seen += 1
    assert seen > 500
