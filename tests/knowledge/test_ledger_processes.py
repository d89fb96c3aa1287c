"""Several processes at one ledger: none buys what another one has, and one that is killed loses nothing."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from buyer import AFFORDABLE, KEYS
from ledger_facts import NIGHT, WORST, purchase, rows, spend, taken_by_rows

from knowledge.call import Bought, Reserved
from knowledge.database import Database
from knowledge.ledger import Ledger

ROOT = Path(__file__).parents[2]
BUYER = Path(__file__).with_name("buyer.py")


def buyer(database_url: str, work: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(BUYER), database_url, work],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def test_two_processes_that_want_the_same_buy_each_key_once_and_share_a_budget(
    database: Database, database_url: str
) -> None:
    both = [buyer(database_url, "race") for _ in range(2)]
    for each in both:
        wait_until_ready(each)
    for each in both:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    first, second = [json.loads(each.communicate(timeout=60)[0]) for each in both]
    assert sorted(first["free"] + second["free"]) == sorted(purchase(f"free {number}").key for number in range(KEYS))
    affordable = first["affordable"] + second["affordable"]
    assert len(affordable) == len(set(affordable)) == AFFORDABLE
    assert first["over"] == second["over"] == KEYS - AFFORDABLE
    assert {each["status"] for each in rows(database)} == {"settled"}
    taken = {name: amount.tokens for (name, _), amount in spend(database).items()}
    assert taken == {"free": KEYS * WORST.tokens, "tight": AFFORDABLE * WORST.tokens}


def kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()
    assert process.returncode == -9


def test_what_a_killed_process_had_under_way_is_unknown_and_bought_again(database: Database, database_url: str) -> None:
    process = buyer(database_url, "leave")
    wait_until_ready(process)
    ledger = Ledger(database)
    assert ledger.close_lost() == 0
    kill(process)
    answers = ledger.commit([purchase(f"{number}") for number in range(4)], [])
    assert [type(each) for each in answers] == [Bought, Bought, Reserved, Reserved]
    assert ledger.close_lost() == 1
    assert [each["status"] for each in rows(database)] == ["settled"] * 2 + ["unknown"] * 3 + ["reserved"] * 2
    assert spend(database)["run", NIGHT].cost_usd == pytest.approx(2 * 0.01 + 3 * WORST.cost_usd)


def test_spend_agrees_with_the_rows_wherever_a_process_is_killed(database: Database, database_url: str) -> None:
    process = buyer(database_url, "go_on")
    wait_until_ready(process)
    time.sleep(random.uniform(0.02, 0.2))
    kill(process)
    found = rows(database)
    assert len(found) % 5 == 0, "half a commit was written"
    lost = Ledger(database).close_lost()
    assert lost in {0, 5}
    taken, by_rows = spend(database), taken_by_rows(database)
    assert taken.keys() == by_rows.keys()
    for place in taken:
        assert taken[place].tokens == by_rows[place].tokens
        assert taken[place].cost_usd == pytest.approx(by_rows[place].cost_usd)
