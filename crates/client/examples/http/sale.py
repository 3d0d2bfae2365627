"""A till sells milk over the HTTP API of its site's replica, and follows the stock.

pip install requests
ISLE_URL=http://127.0.0.1:7480 ISLE_TOKEN="$(cat till-3.token)" ISLE_SPACE=store-1 python3 sale.py
"""

import json
import os
import uuid

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

URL = os.environ.get("ISLE_URL", "http://127.0.0.1:7480")
SPACE = os.environ.get("ISLE_SPACE", "store-1")
INVENTORY = f"{URL}/v1/spaces/{SPACE}/inventory"
MERGE_PATCH, OPERATIONS = "application/merge-patch+json", "application/vnd.isle.operations+json"

isle = requests.Session()
isle.trust_env = False  # The replica is near: no proxy, and no .netrc that puts itself before the token.
if token := os.environ.get("ISLE_TOKEN"):
    isle.headers["Authorization"] = f"Bearer {token}"
# After a lost answer, 503 and 504 it asks again, which counts once: every write here has a key.
again = Retry(5, backoff_factor=0.2, status_forcelist=[503, 504], allowed_methods=None, raise_on_status=False)
isle.mount(URL, HTTPAdapter(max_retries=again))


def problem(answer):
    """The name of the problem document that it is, which programs go by; none when it went well."""
    return None if answer.ok else answer.json()["type"].removeprefix("urn:isle:problem:")


def shown(answer):
    """What people read of a problem document."""
    return "; ".join(filter(None, [answer.json()["detail"], answer.json().get("hint")]))


def call(method, url, content="application/json", key=None, expect=None, headers={}, **more):
    """Asks, and raises any problem but the one that the caller can deal with."""
    headers = {"Content-Type": content, "Idempotency-Key": key or str(uuid.uuid4()), **headers}
    answer = isle.request(method, url, headers=headers, timeout=(3, 30), **more)
    if problem(answer) not in (None, expect):
        raise RuntimeError(f"{problem(answer)}: {shown(answer)}")
    return answer


def move(operation, by, key=None, expect=None):
    """What may be promised is spent or granted, and what is there follows: both or neither."""
    promised = {"op": operation, "field": "/sellable", "by": abs(by)}
    there = {"op": "increment", "field": "/on_hand", "by": by}
    return call("PATCH", f"{INVENTORY}/milk", OPERATIONS, key, expect, json=[promised, there])


def sell(count, key=None, expect=None):
    return move("spend", -count, key, expect)


def price_by_stock():
    """Where somebody writes between reading and writing it is decided anew."""
    for attempt in range(1, 6):
        read = call("GET", f"{INVENTORY}/milk")
        price = 1.29 if read.json()["on_hand"] < 10 else 0.99
        if attempt == 1:
            sell(1)  # Another till, the first time.
        patch = {"headers": {"If-Match": read.headers["ETag"]}, "json": {"price_override": price}}
        if call("PATCH", f"{INVENTORY}/milk", MERGE_PATCH, expect="condition-failed", **patch).ok:
            return f"price {price}, decided {attempt} times"
    raise RuntimeError("others always write in between")


def events(after=None):
    """The feed of the inventory, from its present state or after a cursor: name, cursor and data of each event."""
    query, event = {"space": SPACE, "collection": "inventory", "after": after}, {}
    # Silence is a broken line: a comment comes every 15 seconds.
    with isle.get(f"{URL}/v1/watch", params=query, stream=True, timeout=(3, 40)) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if line:
                field, _, value = line.decode().partition(": ")
                event[field] = value
            elif "event" in event:
                yield event.pop("event"), event.get("id"), json.loads(event["data"])


def on_hand(data):
    document = data["changes"][0]["document"]
    return f"{document['address']} {document['value']['on_hand']}"


for item in {"product": "milk", "on_hand": 12, "sellable": 6}, {"product": "bread", "on_hand": 3, "sellable": 3}:
    absent = {"expect": "condition-failed", "headers": {"If-None-Match": "*"}}
    put = call("PUT", f"{INVENTORY}/{item['product']}", json=item, **absent)
    print(f"{item['product']}: {'new' if put.ok else 'there already'}")

# Sent again under its key, as after a lost answer, it counts once: the answer names the same change.
receipt = str(uuid.uuid4())
assert sell(2, receipt).json()["stamp"] == sell(2, receipt).json()["stamp"]
milk = call("GET", f"{INVENTORY}/milk").json()
print(f"sold 2, sent twice: {milk['on_hand']} on hand, {milk['sellable']} sellable")

refused = sell(100, expect="not-enough")
print(f"{problem(refused)}: {shown(refused)}")

print(price_by_stock())

query = {"where": "/on_hand<10", "order": "/on_hand", "limit": 10}
found = call("GET", INVENTORY, params=query).json()["documents"]
print("low:", ", ".join(f"{each['key']} {each['value']['on_hand']}" for each in found))

for name, cursor, data in events():
    if name == "synced":
        sell(1)
    elif name == "changed":
        print("changed:", on_hand(data))
        break
move("grant", 4)  # A delivery, while nobody looks.
print("changed meanwhile:", next(on_hand(data) for name, _, data in events(cursor) if name == "changed"))
