"""A step of a flow: a plain function under Prefect's observation, named in our words."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE

P = ParamSpec("P")
R = TypeVar("R")


class Carried:
    """What goes in and out of a step. Prefect walks through everything it can: 0.2 s for 6,000 documents."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


def step(function: Callable[P, R]) -> Callable[P, R]:
    """The function as a task. Never cached: Prefect's cache does not see a change in what the function calls."""
    words = function.__name__.replace("_", " ")

    @task(name=words, task_run_name=words, cache_policy=NO_CACHE)
    def run(carried: Carried) -> Carried:
        args, options = carried.value
        return Carried(function(*args, **options))

    @wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> R:
        return cast(R, run(Carried((args, options))).value)

    return call
