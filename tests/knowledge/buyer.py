"""A process that buys: `buyer.py URL WORK`. It prints `ready` before it begins, or when it has done all it does."""

import json
import random
import sys
import time

from ledger_facts import NIGHT, WORST, purchase, settled

from knowledge.call import Charge, Held, Limit, OverBudget, Reserved, Scope
from knowledge.database import Database
from knowledge.ledger import Ledger

KEYS, AFFORDABLE = 200, 120
COST = Charge(WORST.tokens, 0, 0, WORST.cost_usd, WORST.milliseconds)


def race(ledger: Ledger) -> None:
    """Buy every key against another process; first whatever it costs, then within a budget that is too small."""
    print("ready", flush=True)
    sys.stdin.readline()
    free, _ = buy_all(ledger, "free", Limit())
    affordable, over = buy_all(ledger, "tight", Limit(tokens=AFFORDABLE * WORST.tokens))
    print(json.dumps({"free": free, "affordable": affordable, "over": over}), flush=True)


def buy_all(ledger: Ledger, name: str, limit: Limit) -> tuple[list[str], int]:
    """The keys it bought and how many did not fit, in an order of its own and a few at a time, until none is held."""
    scopes = (Scope(name, NIGHT, limit),)
    wanted = [purchase(f"{name} {number}", scopes=scopes) for number in range(KEYS)]
    random.shuffle(wanted)
    paid: list[str] = []
    over = 0
    sent: list[int] = []
    while wanted or sent:
        some, wanted = wanted[:7], wanted[7:]
        answers = ledger.commit(some, [settled(entry, charge=COST) for entry in sent])
        sent = [answer.entry for answer in answers if isinstance(answer, Reserved)]
        paid += [each.key for each, answer in zip(some, answers, strict=True) if isinstance(answer, Reserved)]
        over += sum(isinstance(answer, OverBudget) for answer in answers)
        wanted += [each for each, answer in zip(some, answers, strict=True) if isinstance(answer, Held)]
    return paid, over


def leave(ledger: Ledger) -> None:
    """Reserve five keys, settle two, and wait to be killed."""
    scope = Scope("run", NIGHT, Limit())
    ledger.commit([purchase(f"{number}", scopes=(scope,)) for number in range(5)], [])
    ledger.commit([], [settled(1), settled(2)])
    print("ready", flush=True)
    time.sleep(60)


def go_on(ledger: Ledger) -> None:
    """Buy and settle without end."""
    scope = Scope("run", NIGHT, Limit())
    sent: list[int] = []
    print("ready", flush=True)
    for number in range(10**9):
        some = [purchase(f"{number} {each}", scopes=(scope,)) for each in range(5)]
        answers = ledger.commit(some, [settled(entry) for entry in sent])
        sent = [answer.entry for answer in answers if isinstance(answer, Reserved)]


if __name__ == "__main__":
    {work.__name__: work for work in (race, leave, go_on)}[sys.argv[2]](Ledger(Database(sys.argv[1])))
