"""The decision, written down a second time: BR 3.2.2.9 and the stricter profile."""

import datetime
import math

# From a date on: the kinds of certificate, the least remotes, the least service regions.
_BOTH = ("tls-server", "s-mime")
_TIMELINE = [
    ("2025-03-15", ("tls-server",), 2, 1),
    ("2025-05-15", ("s-mime",), 2, 1),
    ("2025-09-15", _BOTH, 2, 1),
    ("2026-03-15", _BOTH, 3, 2),
    ("2026-06-15", _BOTH, 4, 2),
    ("2026-12-15", _BOTH, 5, 2),
]


def decide(job, policy, day_ms, regions, primary_passed, corroborating):
    """The quorum and outcome of one check; `corroborating` is a set of members of `regions`."""
    day = datetime.datetime.fromtimestamp(day_ms / 1000, datetime.timezone.utc).date().isoformat()
    rows = [row for row in _TIMELINE if row[0] <= day and job["certificate_type"] in row[1]]
    passing = corroborating if primary_passed else set()
    quorum = f"{len(passing)}/{len(regions)}"
    if not rows or not primary_passed:
        return quorum, "refuse"
    _, _, remotes_min, registries_min = rows[-1]
    remotes_min = max(remotes_min, policy["remotes_min"] or 0, job["remotes"] or 0)
    needed = len(regions) - _failures_max(policy, len(regions))
    needed = max(needed, job["corroborations_min"] or 0, 1)
    holds = (
        len(regions) >= remotes_min
        and len(passing) >= needed
        and len({regions[code] for code in passing}) >= registries_min
    )
    return quorum, "corroborate" if holds else "refuse"


def _failures_max(policy, remotes):
    if remotes >= 6:
        allowed = 2
    elif remotes >= 2 and policy["profile"] == "baseline-requirements":
        allowed = 1
    else:
        allowed = 0
    limit = policy["non_corroborations_max"]
    return allowed if limit is None else min(allowed, limit)


def finding(primary, observation):
    """How a remote's observation compares; `primary` is whether it passed, and what it saw."""
    if observation is None or observation["verdict"] in ("error", "refused"):
        return "unavailable"
    passed, observed = primary
    same = observation["verdict"] == "pass" and passed and observation.get("observed") == observed
    return "corroborate" if same else "contradict"


def are_distinct(places):
    """Whether all perspectives, and all their resolvers, are at least 500 km apart."""
    pairs = [(a, b) for at, a in enumerate(places) for b in places[:at]]
    return all(_km(a[which], b[which]) >= 500 for a, b in pairs for which in (0, 1))


def _km(one, two):
    """The chord through a sphere of the Earth's polar radius, so that none is too long."""
    return 6356.752 * math.dist(_unit(*one), _unit(*two))


def _unit(latitude_udeg, longitude_udeg):
    latitude, longitude = math.radians(latitude_udeg / 1e6), math.radians(longitude_udeg / 1e6)
    across = math.cos(latitude)
    return across * math.cos(longitude), across * math.sin(longitude), math.sin(latitude)
