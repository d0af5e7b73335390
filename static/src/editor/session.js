// One document on this page: the shared text, what waits to be saved, who else is here, and the line to the server.
import { ObservableV2 } from "lib0/observable";
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate, removeAwarenessStates } from "y-protocols/awareness";
import * as Y from "yjs";
import { Link } from "./link.js";
import { LOGOUT } from "./logout.js";
import { Outbox } from "./outbox.js";
import { bytesOf } from "./wire.js";

const GATHER = 60; // ms of typing that travel together
const COPY = 1000; // ms until the text is kept beside edits that wait
const LOOK = 100; // ms between two cursors sent
const HOLE = 8000; // ms that an update may wait for one before it

const REASONS = {
  login: "You are logged out. Reload the page to log in again.",
  rights: "You may not open this document any more.",
  gone: "This document is not there any more, or you may not open it any more.",
  generation: "The text was begun anew on the server. Reload the page to see it.",
  logout: "You have logged out in another tab.",
  reader: "You may only read this document now. Reload the page to go on reading.",
};

const sentence = (reason) => `${reason[0].toUpperCase()}${reason.slice(1)}.`;

// Tells "change" when something of `state` differs, "projected", "aside" when a draft was kept, "end" at the end.
export class Session extends ObservableV2 {
  doc = new Y.Doc();
  text = this.doc.getText("content");
  awareness = new Awareness(this.doc);
  you = null;
  head = 0;
  projected = null;
  mayWrite;
  generation = null;
  stopped = null; // {why, reason, resumes}
  #facts;
  #device;
  #outbox;
  #link;
  #tabs;
  #logouts;
  #gathered = [];
  #timers = {};
  #hole = 0;
  #copied = false;
  #said = "";
  #opened = false;

  constructor(facts, device) {
    super();
    [this.#facts, this.#device, this.mayWrite] = [facts, device, facts.mayWrite];
    this.#outbox = new Outbox(device, () => this.emit("change", []));
    const hello = () => ({ generation: this.generation, vector: Y.encodeStateVector(this.doc), client: this.doc.clientID });
    this.#link = new Link(facts, hello, (message) => this.#heard(message), (why) => this.#lost(why));
  }

  get state() {
    const { stopped, mayWrite } = this;
    const gathering = this.#gathered.length ? [{ kept: false, at: Date.now(), made: Date.now() }] : [];
    const pending = [...this.#outbox.pending, ...gathering];
    const { joined: connected, polling, failing } = this.#link;
    return { stopped, mayWrite, pending, connected, polling, failing, opened: this.#opened, now: Date.now() };
  }

  get writable() {
    return this.mayWrite && this.#opened && !this.stopped;
  }

  async start() {
    await this.#recall();
    this.doc.on("update", (update, origin) => this.#edited(update, origin));
    this.awareness.on("update", (change, origin) => origin === "local" && this.#soon("look", LOOK, () => this.#look()));
    this.#openTabs();
    for (const name of ["blur", "beforeunload"]) addEventListener(name, () => this.flush());
    addEventListener("pagehide", ({ persisted }) => (persisted ? this.flush() : this.leave()));
    this.#link.open();
  }

  async #recall() {
    if (!this.#device) return;
    const copy = await this.#device.copy();
    const entries = await this.#outbox.load();
    this.generation = copy?.generation ?? entries[0]?.generation ?? null;
    for (const { update } of [...(copy ? [copy] : []), ...entries]) Y.applyUpdate(this.doc, update, this);
    this.#opened = Boolean(copy);
  }

  #openTabs() {
    this.#tabs = new BroadcastChannel(this.#facts.place);
    this.#tabs.onmessage = ({ data }) => {
      if (data.generation === this.generation && !this.stopped) Y.applyUpdate(this.doc, data.update, this);
    };
    this.#logouts = new BroadcastChannel(LOGOUT);
    this.#logouts.onmessage = () => this.#stop("logout");
    addEventListener(LOGOUT, () => this.#stop("logout"));
  }

  // -- edits

  #edited(update, origin) {
    if (origin === this || this.stopped) return;
    this.#gathered.push(update);
    this.#soon("gather", GATHER, () => this.flush());
    this.emit("change", []);
  }

  flush() {
    if (!this.#gathered.length || this.stopped) return;
    const update = Y.mergeUpdates(this.#gathered.splice(0));
    this.#tabs.postMessage({ generation: this.generation, update });
    const entry = this.#outbox.add(this.generation, update, this.#link.joined, this.#copyOnce());
    if (this.#link.joined) this.#send([entry]);
    this.#soon("copy", COPY, () => this.#keepCopy());
  }

  // Without a line the first edit takes the text along, so that both are there after a reload.
  #copyOnce() {
    if (this.#link.joined || this.#copied) return null;
    this.#copied = true;
    return Y.encodeStateAsUpdate(this.doc);
  }

  #send(entries) {
    if (entries.length) this.#link.line.send(this.#outbox.sent(entries));
  }

  #keepCopy() {
    if (!this.#outbox.entries.size || this.stopped) return;
    this.#device?.keepCopy(this.generation, Y.encodeStateAsUpdate(this.doc)).catch(() => {});
  }

  #soon(name, wait, act) {
    this.#timers[name] ??= setTimeout(() => {
      delete this.#timers[name];
      act();
    }, wait);
  }

  // -- what the server says

  #heard(message) {
    this[`_${message.type}`]?.(message);
    this.emit("change", []);
  }

  _joined({ generation, head, may_write, you, vector, update, awareness, projected }) {
    if (![null, generation].includes(this.generation)) return this.#stop("generation"); // nothing of it is merged
    Object.assign(this, { generation, head, you, projected });
    this.#copied = false;
    this.#take(update);
    this.#opened = true;
    this._rights({ may_write });
    if (this.stopped) return;
    this.flush();
    this.#send(this.#outbox.unanswered(true));
    this.#repair(vector);
    for (const state of awareness ?? []) this._awareness({ update: bytesOf(state) });
    this.awareness.setLocalState({ ...this.awareness.getLocalState(), user: you });
    this.emit("projected", []);
  }

  // A server set back to an older state lacks what it once acknowledged: each page brings what was typed in it.
  #repair(vector) {
    if (!vector || this.#outbox.entries.size || !this.writable) return;
    const theirs = Y.decodeStateVector(vector);
    const lacks = ([client, clock]) => clock > (theirs.get(client) ?? 0);
    const missing = [...Y.decodeStateVector(Y.encodeStateVector(this.doc))].filter(lacks);
    if (!missing.length || missing.some(([client]) => client !== this.doc.clientID)) return;
    this.#send([this.#outbox.add(this.generation, Y.encodeStateAsUpdate(this.doc, vector), true)]);
  }

  _updates({ last, update }) {
    this.head = Math.max(this.head, last);
    this.#take(update);
  }

  #take(update) {
    if (update) Y.applyUpdate(this.doc, update, this);
    const whole = this.doc.store.pendingStructs === null && this.doc.store.pendingDs === null;
    this.#hole = whole ? 0 : this.#hole || Date.now();
  }

  _saved({ id, seq }) {
    this.head = Math.max(this.head, seq);
    this.#outbox.saved(id);
  }

  // The server will never take it, so this text and the shared one differ from here on. Without an id it is about the
  // page, which is sent away next.
  _refused({ id, reason }) {
    this.#said = id ? "" : sentence(reason);
    if (id && this.#outbox.entries.has(id)) this.#stop("refused", `An edit was not taken: ${reason}.`);
  }

  _awareness({ update }) {
    applyAwarenessUpdate(this.awareness, update, this);
  }

  _rights({ may_write }) {
    const pending = this.#outbox.entries.size || this.#gathered.length;
    if (this.mayWrite && !may_write && pending) this.#stop("reader");
    this.mayWrite = may_write;
  }

  async _head({ seq, projected }) {
    this.head = Math.max(this.head, seq);
    this.projected = projected;
    this.emit("projected", []);
    if (this.#hole && Date.now() - this.#hole > HOLE) return this.#link.again();
    const orphans = await this.#outbox.orphans().catch(() => []);
    if (this.#link.joined && this.writable) this.#send([...new Set([...orphans, ...this.#outbox.unanswered(false)])]);
  }

  #look() {
    if (!this.#link.joined || this.stopped) return;
    this.#link.line.aware(encodeAwarenessUpdate(this.awareness, [this.doc.clientID]));
  }

  // -- ends

  // The page goes; what waits stays on the device.
  leave() {
    this.flush();
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    for (const channel of [this.#tabs, this.#logouts]) channel.close();
    this.#link.close();
    this.awareness.destroy();
  }

  #lost(why) {
    const others = [...this.awareness.getStates().keys()].filter((client) => client !== this.doc.clientID);
    removeAwarenessStates(this.awareness, others, this);
    if (why) this.#stop(why);
    else this.#keepCopy();
    this.emit("change", []);
  }

  async #stop(why, reason = this.#said || REASONS[why]) {
    if (this.stopped) return;
    this.flush();
    if (why === "logout") this.#outbox.clear(); // the person was asked
    const text = this.#outbox.entries.size ? this.text.toString() : null;
    this.stopped = { why, reason, resumes: why === "login" }; // the edits go on their way after a login
    this.#link.close();
    this.#lost("");
    if (!this.stopped.resumes) await this.#setAside(text, reason);
    this.emit("end", [text]);
    this.emit("change", []);
  }

  async #setAside(text, reason) {
    try {
      if (!this.#device) return;
      await this.#device.setAside(text, reason);
      this.#outbox.clear();
    } catch {
      return; // the chip goes on saying that nothing has kept them
    }
    if (text !== null) this.emit("aside", []);
  }
}
