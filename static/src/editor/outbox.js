// Edits on their way: in memory and on the device until the server acknowledges them, under the same id however often
// they are sent.
import { uuidv4 } from "lib0/random";
import * as Y from "yjs";

const MERGED = 64_000; // bytes; what was never sent may still grow
const RESEND = 15_000; // ms without an acknowledgement
const ORPHAN = 10_000; // ms after which an edit of another tab is taken over: that tab may be closed

export class Outbox {
  entries = new Map();
  #device;
  #changed;
  #acknowledged = new Set(); // before they were even on the device

  constructor(device, changed) {
    [this.#device, this.#changed] = [device, changed];
  }

  get pending() {
    return [...this.entries.values()];
  }

  // What an earlier page, or another tab, could not send.
  async load() {
    const known = (entry) => this.entries.has(entry.id) || this.#acknowledged.has(entry.id);
    const found = (await this.#device?.entries())?.filter((entry) => !known(entry)) ?? [];
    for (const entry of found) this.entries.set(entry.id, { ...entry, kept: true, sent: entry.at });
    if (found.length) this.#changed();
    return found;
  }

  // `copy`: the whole text, where it is to be kept beside the edit.
  add(generation, update, connected, copy = null) {
    const last = this.pending.at(-1);
    const growing = !connected && last && !last.sent && last.update.length < MERGED ? last : null;
    const whole = growing ? Y.mergeUpdates([growing.update, update]) : update;
    const entry = { id: uuidv4(), generation, update: whole, at: growing?.at ?? Date.now(), made: Date.now(), kept: false, sent: 0 };
    if (growing) this.entries.delete(growing.id);
    this.entries.set(entry.id, entry);
    this.#keep(entry, { alone: !connected, instead: growing ? [growing.id] : [], copy });
    return entry;
  }

  async #keep(entry, how) {
    try {
      if (!this.#device) return;
      await this.#device.keep(entry, how);
      entry.kept = true;
    } catch {
      return; // no room, or storage is forbidden: the chip says that the device has not kept it
    } finally {
      this.#changed();
    }
    if (this.#acknowledged.has(entry.id)) this.#forget(entry.id);
  }

  sent(entries) {
    for (const entry of entries) entry.sent = Date.now();
    return entries;
  }

  // On a new line everything, later what was not answered.
  unanswered(everything) {
    return this.pending.filter((entry) => everything || Date.now() - entry.sent > RESEND);
  }

  async orphans() {
    await this.load();
    return this.pending.filter((entry) => entry.sent === entry.at && Date.now() - entry.at > ORPHAN);
  }

  saved(id) {
    if (!this.entries.delete(id)) return;
    this.#acknowledged.add(id);
    this.#forget(id);
    this.#changed();
  }

  #forget(id) {
    this.#device?.forget(id).catch(() => {}); // it is sent once more after a reload, which adds nothing
  }

  clear() {
    this.entries.clear();
  }
}
