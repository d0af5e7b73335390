// Files and folders from the browser to a memory: in small batches, with progress, cancel and retry.
// A folder that is synced again is compared by checksums first, so that only what changed travels.
import { gather, picked, dropped } from "./folders.js";
import { register } from "./modules.js";
import { ask, send, TryAgain } from "./sending.js";
import { UploadView } from "./upload-view.js";

const MOST_FILES = 20; // of one request
const MOST_BYTES = 8 << 20;
const MANIFEST = 1000; // files of one question
const LARGEST_SUM = 64 << 20; // a larger file is sent without asking, as summing it would need it whole in memory

class Upload {
  constructor(form) {
    this.form = form;
    this.creating = Boolean(form.dataset.create);
    this.urls = { upload: form.dataset.upload, manifest: form.dataset.manifest };
    this.view = new UploadView(form);
    this.entries = [];
    this.syncing = this.busy = false;
    this.#reset();
    this.#listen();
  }

  #reset() {
    Object.assign(this, { batch: "", job: "", cancelUrl: "", waiting: [], finishWith: {} });
  }

  #listen() {
    const { form, view } = this;
    view.showScripted();
    view.onPick((mode) => {
      this.syncing = mode === "sync";
      (mode === "files" ? view.files : view.folder).click();
    });
    for (const input of [view.files, view.folder]) {
      input.addEventListener("change", () => {
        this.#take(picked(input.files), input === view.folder && this.syncing);
        input.value = "";
      });
    }
    view.zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      view.zone.classList.add("over");
    });
    view.zone.addEventListener("dragleave", () => view.zone.classList.remove("over"));
    view.zone.addEventListener("drop", async (event) => {
      event.preventDefault();
      view.zone.classList.remove("over");
      this.#take(await dropped(event.dataTransfer), false);
    });
    if (this.creating) form.addEventListener("submit", (event) => this.#create(event), true);
    view.cancel.addEventListener("click", () => this.#cancel());
    view.retry.addEventListener("click", () => this.#guard(() => this.#resume()));
    view.sync.addEventListener("click", () => this.#decided(true));
    view.keep.addEventListener("click", () => this.#decided(false));
    addEventListener("beforeunload", (event) => this.busy && event.preventDefault());
  }

  #take(found, sync) {
    if (this.busy) return this.view.say("Wait until the files before have been sent, or cancel them.");
    const { entries, left } = gather(found);
    if (this.creating) entries.unshift(...this.entries.filter((old) => !entries.some((one) => one.path === old.path)));
    this.entries = entries;
    this.view.list(entries, left);
    if (!entries.length) return this.view.say("There is no file in it that could be stored.");
    if (this.creating) this.#suggestName();
    else this.#guard(() => (sync ? this.#compare() : this.#sendAll({})));
  }

  #suggestName() {
    const name = this.form.elements.name;
    if (!name.value) name.placeholder = this.entries[0].path.split("/")[0].replace(/\.[^.]+$/, "");
    this.view.say(`${count(this.entries)} chosen. Press “Make the memory” to send them.`);
  }

  // -- a new memory: its row first, then the files

  #create(event) {
    const whole = this.view.memoryFile?.files[0];
    if (!whole && !this.entries.length) return; // a text alone goes as a plain form
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!this.busy) this.#guard(() => this.#createAndSend(whole));
  }

  async #createAndSend(whole) {
    if (!this.urls.upload) {
      const fields = new FormData(this.form);
      for (const name of ["file", "memory_file", "text", "title"]) fields.delete(name);
      fields.set("first", whole?.name ?? this.entries[0].path);
      const made = await ask(this.form, this.form.dataset.create, fields);
      if (made.errors) throw new TryAgain(Object.values(made.errors).flat().join(" "));
      this.urls = { upload: made.upload, import: made.import, manifest: made.manifest };
    }
    if (whole) return this.#import(whole);
    this.#addText();
    return this.#sendAll({});
  }

  #addText() {
    const { text, title } = this.form.elements;
    if (!text.value.trim() || this.entries.some((entry) => entry.pasted)) return;
    const name = (title.value || "Pasted text").replace(/[/\\]/g, "-");
    this.entries.push({ path: `${name}.txt`, file: new File([text.value], "text.txt"), pasted: true });
    this.view.list(this.entries, 0);
  }

  async #import(whole) {
    this.view.say(`Sending ${whole.name}…`);
    const body = new FormData();
    body.append("file", whole);
    const sent = (bytes) => this.view.progress(bytes, whole.size);
    this.#leave(await send(this.form, this.urls.import, body, sent, this.#abort()));
  }

  // -- batches

  async #sendAll(finishWith, entries = this.entries) {
    this.finishWith = finishWith;
    const left = this.waiting.filter((old) => !entries.some((one) => one.path === old.path)); // of a drop that failed
    this.waiting = [...left, ...entries];
    this.total = this.waiting.reduce((sum, entry) => sum + entry.file.size, 0);
    this.done = 0;
    return this.#resume();
  }

  async #resume() {
    if (this.creating && !this.urls.upload) return this.#createAndSend(this.view.memoryFile?.files[0]);
    while (this.waiting.length) {
      const batch = nextBatch(this.waiting);
      await this.#sendBatch(batch);
      this.waiting.splice(0, batch.length);
    }
    const body = new FormData();
    body.append("batch", this.batch);
    body.append("finish", "1");
    for (const [name, value] of Object.entries(this.finishWith)) body.append(name, value);
    this.#leave(await ask(this.form, this.urls.upload, body));
  }

  async #sendBatch(batch) {
    const body = new FormData();
    const bytes = batch.reduce((sum, entry) => sum + entry.file.size, 0);
    body.append("batch", this.batch);
    body.append("size", this.total);
    for (const { path, file } of batch) {
      body.append("path", path);
      body.append("file", file, "file");
    }
    this.view.say(`Sending ${batch[0].path}…`);
    const sent = (part) => {
      this.view.progress(this.done + Math.min(part, bytes), this.total);
      this.view.sending(batch, Math.min(1, part / Math.max(1, bytes)));
    };
    const answer = await send(this.form, this.urls.upload, body, sent, this.#abort());
    [this.batch, this.job, this.cancelUrl] = [answer.batch, answer.job, answer.cancel];
    this.done += bytes;
    this.view.outcomes(batch, answer.files);
  }

  #leave(answer) {
    this.busy = false;
    this.view.say("Sent. Opening its progress…");
    location.assign(answer.job);
  }

  // -- a folder again

  async #compare() {
    const sums = [];
    for (const [index, { path, file }] of this.entries.entries()) {
      this.view.say(`Comparing ${index + 1} of ${this.entries.length}: ${path}`);
      this.view.progress(index, this.entries.length);
      if (this.aborted?.signal.aborted) throw new TryAgain("Cancelled.");
      sums.push({ path, size: file.size, sha256: await sum(file) });
    }
    const needed = new Set();
    let answer = { gone: [], gone_count: 0 };
    for (let start = 0; start < sums.length; start += MANIFEST) {
      const body = JSON.stringify({ batch: this.batch || null, files: sums.slice(start, start + MANIFEST) });
      answer = await ask(this.form, this.urls.manifest, body);
      [this.batch, this.job, this.cancelUrl] = [answer.batch, answer.job, answer.cancel];
      for (const path of answer.needed) needed.add(path);
    }
    this.changed = this.entries.filter(({ path }) => needed.has(path));
    this.view.compared(this.entries, needed);
    if (!answer.gone_count) return this.#sendAll({ sync: "1" }, this.changed);
    this.view.say(`${count(this.changed)} changed or new, ${answer.gone_count} gone. Decide below.`);
    this.view.askGone(answer.gone, answer.gone_count);
    return null;
  }

  #decided(remove) {
    this.view.hideGone();
    this.#guard(() => this.#sendAll(remove ? { sync: "1" } : {}, this.changed));
  }

  // -- the end

  #abort() {
    this.aborted = new AbortController();
    return this.aborted.signal;
  }

  async #guard(work) {
    this.busy = true;
    this.view.working();
    this.aborted = new AbortController();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof TryAgain)) console.error(error);
      this.view.failed(error instanceof TryAgain ? error.message : `That did not work: ${error.message}`);
    } finally {
      this.busy = false;
    }
  }

  async #cancel() {
    this.aborted?.abort();
    if (this.cancelUrl) await ask(this.form, this.cancelUrl, new FormData()).catch(() => null);
    this.#reset();
    this.entries = [];
    this.busy = false;
    this.view.clear("Cancelled: nothing of it was stored.");
  }
}

function nextBatch(waiting) {
  const batch = [];
  let bytes = 0;
  for (const entry of waiting) {
    if (batch.length && (batch.length === MOST_FILES || bytes + entry.file.size > MOST_BYTES)) break;
    batch.push(entry);
    bytes += entry.file.size;
  }
  return batch;
}

// Empty where it cannot be known here: without HTTPS the browser offers no checksums, and the server compares.
async function sum(file) {
  if (!globalThis.crypto?.subtle || file.size > LARGEST_SUM) return "";
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const count = (entries) => (entries.length === 1 ? "One file" : `${entries.length} files`);

register("upload", (form) => {
  new Upload(form);
});
