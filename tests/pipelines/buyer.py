"""A process that buys: `buyer.py BASE_URL FOLDER HOW_MANY`. It prints how many replies it paid and reused."""

import json
import sys
from pathlib import Path

from door import PATIENT, buy, chat, door

base_url, folder, how_many = sys.argv[1:]
with door(base_url, Path(folder), settings=PATIENT) as calls:
    print("ready", flush=True)
    sys.stdin.readline()
    results = buy(calls, *(chat(f"Question {number}") for number in range(int(how_many))))
    texts = [each.payload["text"] for each in results]
    print(json.dumps({"paid": calls.tally.paid, "reused": calls.tally.reused, "texts": texts}), flush=True)
