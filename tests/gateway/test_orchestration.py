"""How many are asked, how many must see the same, and how often: never less than the policy wants.

Six remotes; the strict profile allows two of six to differ, and none of fewer.
"""

import pytest

import headers
import methods
from methods import caa

REMOTES = 6


def asked(**parameters) -> dict:
    """A request for CAA with these parameters."""
    return {**caa("honest.example"), "orchestration_parameters": parameters}


def policy_minimum(answer) -> int:
    """The least number of remotes on the day of the answer."""
    return headers.read_dictionary(answer.headers["mpic-policy"])["remotes"]


def allowance(remotes: int) -> int:
    """How many of so many may differ."""
    return 2 if remotes >= 6 else 0


@pytest.mark.parametrize("count", [None, 2, 3, 4, 5, 6])
def test_a_count_of_perspectives_is_raised_to_the_policy_s(service, count):
    answer = service.answer(asked(**({} if count is None else {"perspective_count": count})))
    remotes = REMOTES if count is None else max(count, policy_minimum(answer))
    assert answer.is_valid
    assert answer.actual == {
        "perspective_count": remotes, "quorum_count": remotes - allowance(remotes),
        "attempt_count": 1}


@pytest.mark.parametrize("count,quorum", [
    (2, 1), (2, 2), (3, 2), (3, 3), (4, 3), (4, 4), (5, 4), (5, 5), (6, 4), (6, 5), (6, 6)])
def test_a_quorum_narrows_the_allowance_and_never_widens_it(service, count, quorum):
    answer = service.answer(asked(perspective_count=count, quorum_count=quorum))
    remotes = max(count, policy_minimum(answer))
    allowed = min(count - quorum, allowance(remotes))
    assert answer.actual["perspective_count"] == remotes
    assert answer.actual["quorum_count"] == remotes - allowed


@pytest.mark.parametrize("quorum,used", [(0, 4), (1, 4), (3, 4), (4, 4), (5, 5), (6, 6)])
def test_a_quorum_alone_is_raised_to_the_policy_s(service, quorum, used):
    answer = service.answer(asked(quorum_count=quorum))
    assert answer.actual == {
        "perspective_count": REMOTES, "quorum_count": used, "attempt_count": 1}


@pytest.mark.parametrize("parameters,issue", [
    ({"perspective_count": 1}, "perspective"), ({"perspective_count": 0}, "perspective"),
    ({"perspective_count": -4}, "perspective"), ({"perspective_count": 7}, "perspective"),
    ({"perspective_count": 10 ** 9}, "perspective"), ({"perspective_count": 10 ** 30}, None),
    ({"quorum_count": -1}, "quorum"), ({"quorum_count": 7}, "quorum"),
    ({"quorum_count": 10 ** 12}, "quorum"),
    ({"perspective_count": 4, "quorum_count": 2}, "quorum"),
    ({"perspective_count": 4, "quorum_count": 5}, "quorum"),
    ({"perspective_count": 5, "quorum_count": 3}, "quorum"),
    ({"perspective_count": 6, "quorum_count": 3}, "quorum"),
    ({"perspective_count": 6, "quorum_count": 7}, "quorum"),
    ({"perspective_count": 6, "quorum_count": 0}, "quorum"),
])
def test_a_count_that_cannot_be_is_named(service, parameters, issue):
    issues = service.issues(asked(**parameters))
    if issue is not None:
        place = f"orchestration_parameters.{issue}_count"
        assert issues == [(f"invalid-{issue}-count", place)]


@pytest.mark.parametrize("attempts", [-5, 0, 1, 2, 3, 10, 10 ** 6])
def test_an_attempt_that_succeeds_is_the_last(service, attempts):
    answer = service.answer(asked(max_attempts=attempts))
    assert answer.is_valid and answer.actual["attempt_count"] == 1
    assert answer.body["previous_attempt_results"] == []


@pytest.mark.parametrize("attempts,made", [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_attempts_that_fail_are_made_again_and_shown(service, attempts, made):
    request = {**caa("forbidden.example"), "orchestration_parameters": {"max_attempts": attempts}}
    answer = service.answer(request)
    assert not answer.is_valid and answer.actual["attempt_count"] == made
    assert len(answer.body["previous_attempt_results"]) == made - 1
    assert len(headers.jobs(answer.headers)) == made
    for attempt in answer.body["previous_attempt_results"]:
        assert len(attempt) == REMOTES


def test_what_ends_before_anybody_is_asked_is_not_attempted_again(service):
    request = {**methods.ENDED, "orchestration_parameters": {"max_attempts": 3}}
    answer = service.answer(request)
    assert answer.actual["attempt_count"] == 0 and answer.body["previous_attempt_results"] == []


def test_a_numbered_cohort_is_one_attempt(service):
    parameters = {"max_attempts": 3, "cohort_for_single_attempt": 2}
    answer = service.answer({**caa("forbidden.example"), "orchestration_parameters": parameters})
    assert answer.actual["attempt_count"] == 1
    said = headers.adjusted(answer.headers)
    assert said["cohort_for_single_attempt"] == [2, "ignored"]


def test_a_failed_look_up_is_never_allowed_and_that_is_said(service):
    answer = service.answer(caa("honest.example", allow_lookup_failure=True))
    assert answer.headers["mpic-adjusted"] == "allow_lookup_failure=(?1 ?0)"
