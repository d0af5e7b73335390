// What this browser keeps until the server has it: edits without an acknowledgement, the text that they belong to, and
// drafts that could not be merged. `place` names the person and the document: another person's is never read.
const NAME = "memvid-live";
const STORES = ["outbox", "copies", "drafts"];

export function openDevice(place) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 2);
    request.onupgradeneeded = () => build(request.result);
    request.onsuccess = () => resolve(new Device(request.result, place));
    request.onerror = () => reject(request.error);
  });
}

function build(database) {
  for (const name of [...database.objectStoreNames]) database.deleteObjectStore(name);
  database.createObjectStore("outbox", { keyPath: "id" }).createIndex("place", "place");
  database.createObjectStore("drafts", { keyPath: "order", autoIncrement: true }).createIndex("place", "place");
  database.createObjectStore("copies", { keyPath: "place" });
}

// Of every document: the person has logged out.
export async function wipe() {
  const device = await openDevice("");
  await device.change(STORES, (stores) => stores.forEach((store) => store.clear()));
  device.close();
}

// How many documents have edits or drafts that only this browser knows.
export async function countUnsaved() {
  const device = await openDevice("");
  const kept = await Promise.all(["outbox", "drafts"].map((name) => device.read(name, (store) => store.getAll())));
  device.close();
  return new Set(kept.flat().map((entry) => entry.place)).size;
}

class Device {
  constructor(database, place) {
    this.database = database;
    this.place = place;
    database.onversionchange = () => database.close();
  }

  close() {
    this.database.close();
  }

  // `durability`: "strict" outlives a loss of power, and costs a flush of the disk.
  change(names, act, durability = "relaxed") {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(names, "readwrite", { durability });
      transaction.oncomplete = () => resolve();
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
      act(names.map((name) => transaction.objectStore(name)), transaction);
    });
  }

  read(name, ask) {
    return new Promise((resolve, reject) => {
      const request = ask(this.database.transaction(name).objectStore(name));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  copy() {
    return this.read("copies", (store) => store.get(this.place));
  }

  async entries() {
    const entries = await this.read("outbox", (store) => store.index("place").getAll(this.place));
    return entries.sort((one, other) => one.at - other.at);
  }

  drafts() {
    return this.read("drafts", (store) => store.index("place").getAll(this.place));
  }

  // `alone`: the server is away, and this is the only place. `instead`: ids of entries that this one contains; `copy`:
  // the text that it belongs to. Committed at once: the page may be gone in a moment.
  keep({ id, generation, update, at }, { alone, instead, copy }) {
    const act = ([outbox, copies], transaction) => {
      outbox.put({ place: this.place, id, generation, update, at });
      if (copy) copies.put({ place: this.place, generation, update: copy });
      for (const old of instead) outbox.delete(old);
      transaction.commit();
    };
    return this.change(["outbox", "copies"], act, alone ? "strict" : "relaxed");
  }

  // The copy is needed only as long as an edit waits.
  forget(id) {
    return this.change(["outbox", "copies"], ([outbox, copies]) => {
      outbox.delete(id);
      outbox.index("place").count(this.place).onsuccess = ({ target: { result: left } }) => left || copies.delete(this.place);
    });
  }

  keepCopy(generation, update) {
    return this.change(["copies"], ([copies]) => copies.put({ place: this.place, generation, update }));
  }

  // The text becomes a draft, and nothing of it is sent any more.
  setAside(text, reason) {
    return this.change(STORES, ([outbox, copies, drafts]) => {
      if (text !== null) drafts.add({ place: this.place, text, reason, at: Date.now() });
      copies.delete(this.place);
      outbox.index("place").openKeyCursor(this.place).onsuccess = ({ target: { result: cursor } }) => {
        if (!cursor) return;
        outbox.delete(cursor.primaryKey);
        cursor.continue();
      };
    });
  }

  discard(order) {
    return this.change(["drafts"], ([drafts]) => drafts.delete(order));
  }
}
