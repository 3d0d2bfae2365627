// A till sells milk over the HTTP API of its site's replica, and follows the stock. Node 24 runs it as it is:
//
//   ISLE_URL=http://127.0.0.1:7480 ISLE_SPACE=store-1 node --experimental-eventsource sale.ts
//
// With ISLE_TOKEN it needs `npm install eventsource`: the EventSource of browsers and of Node sends no headers.

const url = process.env.ISLE_URL ?? "http://127.0.0.1:7480";
const space = process.env.ISLE_SPACE ?? "store-1";
const inventory = `${url}/v1/spaces/${space}/inventory`;
const token = process.env.ISLE_TOKEN;
const authorization: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
const { EventSource: Source } = token ? await import("eventsource") : globalThis;

type Item = { product: string; on_hand: number; sellable: number; price_override?: number };
type Written = { stamp: { origin: string; sequence: number } | null; ack: "local" | "hub" };
type Changed = { changes: { document: { address: string; value: Item } }[] };
type Call = { body?: unknown; type?: string; key?: string; headers?: Record<string, string> };
/** What came back; or the name of a problem, which programs go by, and what people read of it. */
type Answer<T> = { body: T; tag: string; problem?: undefined } | { problem: string; shown: string };

/** Asks. After a lost answer, 503 and 504 it asks again, which counts once: every write here has a key. */
async function call<T>(method: string, at: string, { body, type, key, headers }: Call = {}): Promise<Answer<T>> {
  const own = { "Content-Type": type ?? "application/json", "Idempotency-Key": key ?? crypto.randomUUID() };
  const request = { method, headers: { ...own, ...authorization, ...headers }, body: JSON.stringify(body) };
  for (let left = 5; ; left--) {
    try {
      const answer = await fetch(at, { ...request, signal: AbortSignal.timeout(30_000) });
      if (answer.ok) return { body: await answer.json(), tag: answer.headers.get("ETag") ?? "" };
      if (left === 0 || ![503, 504].includes(answer.status)) {
        const problem: { type: string; detail: string; hint?: string } = await answer.json();
        const shown = [problem.detail, problem.hint].filter(Boolean).join("; ");
        return { problem: problem.type.replace("urn:isle:problem:", ""), shown };
      }
    } catch (lost) {
      if (left === 0) throw lost;
    }
    await new Promise((again) => setTimeout(again, 1_000));
  }
}

function well<T>(answer: Answer<T>): { body: T; tag: string } {
  if (answer.problem !== undefined) throw new Error(`${answer.problem}: ${answer.shown}`);
  return answer;
}

/** What may be promised is spent or granted, and what is there follows: both or neither. */
function move(op: "spend" | "grant", by: number, key?: string): Promise<Answer<Written>> {
  const body = [{ op, field: "/sellable", by: Math.abs(by) }, { op: "increment", field: "/on_hand", by }];
  return call("PATCH", `${inventory}/milk`, { body, type: "application/vnd.isle.operations+json", key });
}
const sell = (count: number, key?: string) => move("spend", -count, key);

/** Where somebody writes between reading and writing it is decided anew. */
async function priceByStock(): Promise<string> {
  for (let attempt = 1; attempt <= 5; attempt++) {
    const { body: item, tag } = well(await call<Item>("GET", `${inventory}/milk`));
    const body = { price_override: item.on_hand < 10 ? 1.29 : 0.99 };
    if (attempt === 1) well(await sell(1)); // Another till, the first time.
    const patch = { body, type: "application/merge-patch+json", headers: { "If-Match": tag } };
    const answer = await call<Written>("PATCH", `${inventory}/milk`, patch);
    if (answer.problem !== "condition-failed" && well(answer)) return `price ${body.price_override}, decided ${attempt} times`;
  }
  throw new Error("others always write in between");
}

/** The next change, and the cursor to go on after; from the present state, or after a cursor. */
function nextChange(ready: () => void, after = ""): Promise<{ shown: string; cursor: string }> {
  const query = new URLSearchParams({ space, collection: "inventory", ...(after && { after }) });
  const feed = new Source(`${url}/v1/watch?${query}`, {
    fetch: (at: string | URL, init: RequestInit) => fetch(at, { ...init, headers: { ...init.headers, ...authorization } }),
  });
  return new Promise((resolve, reject) => {
    // When the line is cut it connects again by itself, and goes on after the last event. It is closed where it was refused.
    feed.onerror = () => feed.readyState === feed.CLOSED && reject(new Error("the feed was refused"));
    feed.addEventListener("synced", ready);
    feed.addEventListener("changed", (event: Event) => {
      feed.close();
      const { data, lastEventId: cursor } = event as MessageEvent<string>;
      const [{ document }] = (JSON.parse(data) as Changed).changes;
      resolve({ shown: `${document.address} ${document.value.on_hand}`, cursor });
    });
  });
}

for (const item of [{ product: "milk", on_hand: 12, sellable: 6 }, { product: "bread", on_hand: 3, sellable: 3 }]) {
  const absent = { body: item, headers: { "If-None-Match": "*" } };
  const put = await call<Written>("PUT", `${inventory}/${item.product}`, absent);
  if (put.problem !== "condition-failed") well(put);
  console.log(`${item.product}: ${put.problem ? "there already" : "new"}`);
}

// Sent again under its key, as after a lost answer, it counts once: the answer names the same change.
const receipt = crypto.randomUUID();
const [first, again] = [well(await sell(2, receipt)), well(await sell(2, receipt))];
if (first.body.stamp?.sequence !== again.body.stamp?.sequence) throw new Error("it counted twice");
const milk = well(await call<Item>("GET", `${inventory}/milk`)).body;
console.log(`sold 2, sent twice: ${milk.on_hand} on hand, ${milk.sellable} sellable`);

const refused = await sell(100);
if (refused.problem !== "not-enough") throw new Error("100 were sold");
console.log(`${refused.problem}: ${refused.shown}`);

console.log(await priceByStock());

const query = new URLSearchParams({ where: "/on_hand<10", order: "/on_hand", limit: "10" });
const found = well(await call<{ documents: { key: string; value: Item }[] }>("GET", `${inventory}?${query}`)).body;
console.log(`low: ${found.documents.map(({ key, value }) => `${key} ${value.on_hand}`).join(", ")}`);

const seen = await nextChange(async () => void well(await sell(1)));
console.log(`changed: ${seen.shown}`);
well(await move("grant", 4)); // A delivery, while nobody looks.
const meanwhile = await nextChange(() => {}, seen.cursor);
console.log(`changed meanwhile: ${meanwhile.shown}`);

export {};
