// What this browser keeps until the server has it: edits without an acknowledgement, the text that they belong to, and
// drafts that could not be merged. `place` names the person and the document: another person's is never read.
const NAME = "memvid-live";
const STORES = ["outbox", "copies", "drafts"];

export function openDevice(place) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => build(request.result);
    request.onsuccess = () => resolve(new Device(request.result, place));
    request.onerror = () => reject(request.error);
  });
}

function build(database) {
  database.createObjectStore("outbox", { keyPath: "order", autoIncrement: true }).createIndex("place", "place");
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

  // Resolves when the browser has made it durable.
  change(names, act) {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(names, "readwrite", { durability: "strict" });
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

  entries() {
    return this.read("outbox", (store) => store.index("place").getAll(this.place));
  }

  drafts() {
    return this.read("drafts", (store) => store.index("place").getAll(this.place));
  }

  // `instead`: ids of entries that this one contains; `copy`: the text that it belongs to.
  keep({ id, generation, update, at }, instead = [], copy = null) {
    return this.change(["outbox", "copies"], ([outbox, copies]) => {
      outbox.add({ place: this.place, id, generation, update, at });
      if (copy) copies.put({ place: this.place, generation, update: copy });
      if (instead.length) this.#remove(outbox, (entry) => instead.includes(entry.id));
    });
  }

  // The copy is needed only as long as an edit waits.
  forget(ids) {
    return this.change(["outbox", "copies"], ([outbox, copies]) => {
      this.#remove(outbox, (entry) => ids.includes(entry.id), (left) => left || copies.delete(this.place));
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
      this.#remove(outbox, () => true);
    });
  }

  discard(order) {
    return this.change(["drafts"], ([drafts]) => drafts.delete(order));
  }

  #remove(store, gone, then = () => {}) {
    let left = 0;
    store.index("place").openCursor(this.place).onsuccess = ({ target: { result: cursor } }) => {
      if (!cursor) return then(left);
      if (gone(cursor.value)) cursor.delete();
      else left += 1;
      cursor.continue();
    };
  }
}
