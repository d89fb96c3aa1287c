"""A step of a flow: a plain function under Prefect's observation, named in our words."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

P = ParamSpec("P")
R = TypeVar("R")


def step(function: Callable[P, R]) -> "Task[P, R]":
    """The function as a task. Never cached: Prefect's cache does not see a change in what the function calls."""
    words = function.__name__.replace("_", " ")
    return task(name=words, task_run_name=words, cache_policy=NO_CACHE)(function)
