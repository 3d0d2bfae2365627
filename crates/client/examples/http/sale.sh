#!/usr/bin/env bash
# A till sells milk over the HTTP API of its site's replica, and follows the stock. Needs curl and jq.
#
#   ISLE_URL=http://127.0.0.1:7480 ISLE_TOKEN="$(cat till-3.token)" ISLE_SPACE=store-1 ./sale.sh
#   ISLE_SOCKET=site/http.sock ./sale.sh      # as the owner of the data directory, who needs no token
set -euo pipefail

url="${ISLE_URL:-http://127.0.0.1:7480}"
space="${ISLE_SPACE:-store-1}"
inventory="$url/v1/spaces/$space/inventory"
scratch="$(mktemp -d)"
reader=""
trap '[[ -z "$reader" ]] || kill "$reader" 2>/dev/null; rm -rf "$scratch"' EXIT
to=(curl -sS --noproxy '*')
[[ -z "${ISLE_SOCKET:-}" ]] || to+=(--unix-socket "$ISLE_SOCKET")
# In a file: a command line is seen by everybody on the machine.
[[ -z "${ISLE_TOKEN:-}" ]] || printf 'Authorization: Bearer %s\n' "$ISLE_TOKEN" >"$scratch/token"
[[ -z "${ISLE_TOKEN:-}" ]] || to+=(-H "@$scratch/token")

# call METHOD URL [OPTION OF CURL]...: gives `answer`, its `tag`, and `problem`, the name that programs go by, empty when it
# went well. After a lost answer, 503 and 504 it asks again, which counts once: every write here has a key.
call() {
  local status
  status="$("${to[@]}" --retry 5 --retry-all-errors --max-time 30 -X "$1" -o "$scratch/answer" --etag-save "$scratch/tag" \
    -w '%{http_code}' "${@:3}" "$2")"
  answer="$(<"$scratch/answer")" tag="$(<"$scratch/tag")" problem=""
  [[ "$status" == 2* ]] || problem="$(jq -r '.type | ltrimstr("urn:isle:problem:")' <<<"$answer")"
}
# What people read of a problem document.
shown() { jq -r '[.detail, .hint // empty] | join("; ")' <<<"$answer"; }
expect() { [[ "$problem" == "$1" ]] || { echo "not '$1' but '$problem': $(shown)" >&2; exit 1; }; }
new_key() { echo "till-3-$(date +%s)-$RANDOM$RANDOM"; }

# move KEY OPERATION BY: what may be promised is spent or granted, and what is there follows: both or neither.
move() {
  call PATCH "$inventory/milk" -H 'Content-Type: application/vnd.isle.operations+json' -H "Idempotency-Key: $1" \
    -d "$(jq -n --arg op "$2" --argjson by "$3" \
      '[{$op, field: "/sellable", by: ($by | fabs)}, {op: "increment", field: "/on_hand", $by}]')"
}
sell() { move "$2" spend "-$1"; }

# What is there already is left as it is.
for item in '{"product": "milk", "on_hand": 12, "sellable": 6}' '{"product": "bread", "on_hand": 3, "sellable": 3}'; do
  name="$(jq -r .product <<<"$item")"
  call PUT "$inventory/$name" -H 'Content-Type: application/json' -H 'If-None-Match: *' -H "Idempotency-Key: $(new_key)" -d "$item"
  if [[ "$problem" == condition-failed ]]; then echo "$name: there already"; else expect ""; echo "$name: new"; fi
done

# Sent again under its key, as after a lost answer, it counts once: the answer names the same change.
receipt="$(new_key)"
sell 2 "$receipt"; expect ""; first="$(jq -c .stamp <<<"$answer")"
sell 2 "$receipt"; expect ""; [[ "$(jq -c .stamp <<<"$answer")" == "$first" ]]
call GET "$inventory/milk"; expect ""
echo "sold 2, sent twice: $(jq -r '"\(.on_hand) on hand, \(.sellable) sellable"' <<<"$answer")"

sell 100 "$(new_key)"; expect not-enough
echo "$problem: $(shown)"

# A price that follows from the stock. Where somebody writes between reading and writing it is decided anew.
attempts=0 problem=condition-failed
while [[ "$problem" == condition-failed ]] && (( ++attempts <= 5 )); do
  call GET "$inventory/milk"; expect ""; seen="$tag"
  price="$(jq 'if .on_hand < 10 then 1.29 else 0.99 end' <<<"$answer")"
  (( attempts > 1 )) || { sell 1 "$(new_key)"; expect ""; } # another till, the first time
  call PATCH "$inventory/milk" -H 'Content-Type: application/merge-patch+json' -H "If-Match: $seen" \
    -H "Idempotency-Key: $(new_key)" -d "{\"price_override\": $price}"
done
expect ""
echo "price $price, decided $attempts times"

call GET "$inventory" -G --data-urlencode 'where=/on_hand<10' --data-urlencode 'order=/on_hand' -d limit=10; expect ""
echo "low: $(jq -r '[.documents[] | "\(.key) \(.value.on_hand)"] | join(", ")' <<<"$answer")"

# follow [CURSOR]: the feed of the inventory, from its present state or after a cursor.
follow() {
  exec {feed}< <(exec "${to[@]}" -N --fail ${1:+-H "Last-Event-ID: $1"} "$url/v1/watch?space=$space&collection=inventory")
  reader=$!
}
# next NAME: waits for an event: its `data`, and the `cursor` to go on after. Silence is a broken line: a comment comes every 15 s.
next() {
  local line name=""
  while IFS= read -r -t 40 line <&"$feed"; do
    case "$line" in
      "event: "*) name="${line#event: }" ;;
      "id: "*) cursor="${line#id: }" ;;
      "data: "*) data="${line#data: }" ;;
      "") [[ "$name" != "$1" ]] || return 0 ;;
    esac
  done
  echo "the feed ended before '$1'" >&2
  return 1
}
on_hand() { jq -r '.changes[0].document | "\(.address) \(.value.on_hand)"' <<<"$data"; }

follow; next synced
sell 1 "$(new_key)"; expect ""
next changed; echo "changed: $(on_hand)"
kill "$reader"; exec {feed}<&-
move "$(new_key)" grant 4; expect "" # a delivery, while nobody looks
follow "$cursor"; next changed; echo "changed meanwhile: $(on_hand)"
