// A server, a network and a device for the editor's session, all in memory.
import * as Y from "yjs";
import { Parts, bytesOf, textOf } from "../src/editor/wire.js";

globalThis.addEventListener ??= () => {};
globalThis.document ??= { addEventListener() {}, hidden: false };

export class Server {
  log = []; // {id, update}
  seen = []; // every frame that reached it
  lines = new Set();
  generation = 1;
  mayWrite = true;
  silent = () => false; // takes an edit and forgets it, without an answer
  mute = () => false; // stores it, and the answer is lost
  reachable = true;
  looks = true; // whether a page of another generation is sent away

  get whole() {
    return this.log.length ? Y.mergeUpdates(this.log.map(({ update }) => update)) : new Uint8Array([0, 0]);
  }

  get text() {
    const doc = new Y.Doc();
    Y.applyUpdate(doc, this.whole);
    return doc.getText("content").toString();
  }

  write(text) {
    const doc = new Y.Doc();
    Y.applyUpdate(doc, this.whole);
    const before = Y.encodeStateVector(doc);
    doc.getText("content").insert(0, text);
    this.append("server", Y.encodeStateAsUpdate(doc, before), null);
  }

  append(id, update, from) {
    const known = this.log.findIndex((entry) => entry.id === id);
    if (id !== "server" && known >= 0) return known + 1;
    const seq = this.log.push({ id, update });
    for (const line of this.lines) if (line !== from) line.tell({ type: "updates", first: seq, last: seq, update: textOf(update) });
    return seq;
  }

  heard(line, message) {
    this.seen.push(message);
    if (message.type === "join") return this.join(line, message);
    if (message.type === "part") {
      if (message.index === 0) line.parts = new Parts(message.of);
      const whole = line.parts.add(message);
      if (whole) this.store(line, message.id, whole);
    }
    if (message.type === "update") this.store(line, message.id, bytesOf(message.update));
    if (message.type === "ping") line.tell({ type: "pong" });
  }

  join(line, { generation, vector }) {
    if (this.looks && generation && generation !== this.generation) return line.end(4409);
    this.lines.add(line);
    line.tell({
      type: "joined", generation: this.generation, head: this.log.length, may_write: this.mayWrite,
      you: { id: 1, name: "Ada", colour: "#333" }, awareness: [], projected: { seq: 0, commit: 1, time: null },
      vector: textOf(Y.encodeStateVectorFromUpdate(this.whole)), update: textOf(Y.diffUpdate(this.whole, bytesOf(vector))),
    }); // prettier-ignore
  }

  store(line, id, update) {
    if (this.silent()) return;
    if (!this.mayWrite) return line.tell({ type: "refused", id, reason: "you may only read" });
    const seq = this.append(id, update, line);
    if (!this.mute()) line.tell({ type: "saved", id, seq });
  }

  tell(message) {
    for (const line of this.lines) line.tell(message);
  }

  cut() {
    for (const line of [...this.lines]) line.end(1006);
  }
}

// What the page calls a WebSocket, to the server of this test.
export function connect(server) {
  globalThis.WebSocket = class extends EventTarget {
    static OPEN = 1;
    static CLOSING = 2;
    readyState = 0;

    constructor() {
      super();
      queueMicrotask(() => (server.reachable ? this.#open() : this.end(1006)));
    }

    #open() {
      this.readyState = 1;
      this.dispatchEvent(new Event("open"));
    }

    send(data) {
      if (this.readyState === 1) queueMicrotask(() => server.heard(this, JSON.parse(data)));
    }

    tell(message) {
      const event = Object.assign(new Event("message"), { data: JSON.stringify(message) });
      queueMicrotask(() => this.readyState === 1 && this.dispatchEvent(event));
    }

    close() {
      this.end(1000);
    }

    end(code) {
      server.lines.delete(this);
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.dispatchEvent(Object.assign(new Event("close"), { code }));
    }
  };
}

export class MemoryDevice {
  outbox = [];
  kept = null;
  aside = [];
  full = false;

  async keep(entry, { instead, copy }) {
    if (this.full) throw new Error("no room");
    if (copy) this.kept = { generation: entry.generation, update: copy };
    this.outbox = [...this.outbox.filter(({ id }) => !instead.includes(id)), { ...entry }];
  }

  async forget(saved) {
    this.outbox = this.outbox.filter(({ id }) => id !== saved);
    if (!this.outbox.length) this.kept = null;
  }

  async keepCopy(generation, update) {
    this.kept = { generation, update };
  }

  async copy() {
    return this.kept;
  }

  async entries() {
    return this.outbox;
  }

  async setAside(text, reason) {
    if (this.full) throw new Error("no room");
    if (text !== null) this.aside.push({ text, reason });
    [this.outbox, this.kept] = [[], null];
  }
}

export async function until(holds, what = holds.toString()) {
  for (const end = Date.now() + 30_000; Date.now() < end; await new Promise((go) => setTimeout(go, 5))) if (holds()) return;
  throw new Error(`never: ${what}`);
}
