// Where websockets are blocked: the same messages by plain requests. Edits are posted at once, others' are waited for.
import { bytesOf, textOf } from "./wire.js";

const WAIT = 20; // seconds that the server holds a question without news
const CODES = { 401: 4401, 403: 4403, 404: 4404, 409: 4409, 429: 4429 };
export const TRY_SOCKET = 4001;

const BATCH = 2_000_000; // characters in a request
const MOST = 100; // updates in it

function batchesOf(entries) {
  const batches = [[]];
  let size = 0;
  for (const { id, update } of entries) {
    const text = textOf(update);
    if (batches.at(-1).length && (batches.at(-1).length >= MOST || size + text.length > BATCH)) [size] = [0, batches.push([])];
    batches.at(-1).push({ id, update: text });
    size += text.length;
  }
  return batches;
}

export class Polling {
  #address;
  #token;
  #hello;
  #heard;
  #closed;
  #until;
  #since = null;
  #ending = new AbortController();

  // Ends by itself after `time` ms, for a socket to be tried again.
  constructor(address, token, time, hello, heard, closed) {
    [this.#address, this.#token, this.#hello] = [address, token, hello];
    [this.#heard, this.#closed] = [heard, closed];
    this.#until = Date.now() + time;
    this.#run();
  }

  async send(entries) {
    try {
      for (const batch of batchesOf(entries)) {
        this.#tell(await this.#post({ updates: batch, since: this.#since, vector: null, wait: 0 }));
      }
    } catch (error) {
      if (error.code === CODES[403]) return this.#heard({ type: "rights", may_write: false });
      this.#end(error.code ?? 0);
    }
  }

  aware() {} // nobody's cursor is carried

  check() {} // a question is always under way

  close() {
    this.#closed = () => {};
    this.#end(1000);
  }

  async #run() {
    try {
      const answer = await this.#post({ updates: [], since: null, vector: textOf(this.#hello.vector), wait: 0 });
      this.#joined(answer);
      while (Date.now() < this.#until) this.#tell(await this.#ask());
      this.#end(TRY_SOCKET);
    } catch (error) {
      this.#end(error.code ?? 0);
    }
  }

  #post(body) {
    return this.#fetch(this.#address, {
      method: "POST",
      body: JSON.stringify({ generation: this.#hello.generation, ...body }),
      headers: { "Content-Type": "application/json", "X-CSRFToken": this.#token },
    });
  }

  #ask() {
    const query = new URLSearchParams({ since: this.#since, wait: WAIT });
    if (this.#hello.generation) query.set("generation", this.#hello.generation);
    return this.#fetch(`${this.#address}?${query}`);
  }

  async #fetch(address, options = {}) {
    const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout((WAIT + 20) * 1000)]);
    const headers = { Accept: "application/json", ...options.headers };
    const response = await fetch(address, { ...options, headers, signal, redirect: "manual" });
    const code = response.type === "opaqueredirect" ? CODES[401] : CODES[response.status]; // a redirect leads to the login
    if (response.ok) return response.json();
    const { error } = await response.json().catch(() => ({}));
    if (error && code) this.#heard({ type: "refused", id: null, reason: error });
    throw Object.assign(new Error(error), { code });
  }

  #joined(answer) {
    this.#hello.generation = answer.generation;
    const { generation, head, may_write, you, projected } = answer;
    this.#since = head;
    const update = answer.update ? bytesOf(answer.update) : null;
    this.#heard({ type: "joined", generation, head, may_write, you, projected, update, vector: null, awareness: [] });
  }

  #tell(answer) {
    this.#since = Math.max(this.#since ?? 0, answer.head);
    if (answer.update) this.#heard({ type: "updates", last: answer.head, update: bytesOf(answer.update) });
    for (const { id, seq } of answer.saved ?? []) this.#heard({ type: "saved", id, seq });
    for (const { id, reason } of answer.refused ?? []) this.#heard({ type: "refused", id, reason });
    this.#heard({ type: "rights", may_write: answer.may_write });
    this.#heard({ type: "head", seq: answer.head, projected: answer.projected });
  }

  #end(code) {
    const closed = this.#closed;
    this.#closed = () => {};
    this.#ending.abort();
    closed(code);
  }
}
