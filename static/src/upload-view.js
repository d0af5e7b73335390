// What a person sees of an upload. Of a long list the first files are shown, and every one that was refused.
const SHOWN = 100;

export class UploadView {
  constructor(form) {
    const part = (name) => form.querySelector(`[data-${name}]`);
    this.form = form;
    this.zone = part("drop");
    this.files = form.elements.file;
    this.folder = part("folder");
    this.memoryFile = part("memory-file");
    this.region = part("upload-region");
    this.status = part("upload-status");
    this.bar = part("upload-progress");
    this.rows = part("upload-files");
    this.gone = part("upload-gone");
    this.cancel = part("upload-cancel");
    this.retry = part("upload-retry");
    this.sync = part("upload-sync");
    this.keep = part("upload-keep");
    this.byPath = new Map();
  }

  showScripted() {
    this.form.classList.add("scripted");
    for (const one of this.form.querySelectorAll("[data-with-script]")) one.hidden = false;
  }

  onPick(pick) {
    for (const button of this.form.querySelectorAll("[data-pick]")) {
      button.addEventListener("click", () => pick(button.dataset.pick));
    }
  }

  say(text) {
    this.region.hidden = false;
    this.status.textContent = text;
  }

  progress(done, total) {
    this.bar.value = total ? done / total : 0;
  }

  list(entries, left) {
    this.region.hidden = false;
    this.byPath.clear();
    this.rows.replaceChildren();
    for (const { path, file } of entries.slice(0, SHOWN)) this.#row(path, size(file.size));
    if (entries.length > SHOWN) this.#note(`and ${entries.length - SHOWN} more`);
    if (left) this.#note(`${left} hidden or leftover files stay at home`);
  }

  #row(path, words) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    const state = document.createElement("span");
    name.textContent = path;
    state.textContent = words;
    state.className = "upload-state";
    row.append(name, state);
    this.rows.append(row);
    this.byPath.set(path, row);
    return row;
  }

  #note(text) {
    const row = document.createElement("li");
    row.className = "text-secondary";
    row.textContent = text;
    this.rows.append(row);
  }

  #mark(path, words, kind = "") {
    const row = this.byPath.get(path) ?? (kind === "refused" ? this.#row(path, "") : null);
    if (!row) return;
    row.className = kind;
    row.lastChild.textContent = words;
  }

  sending(batch, part) {
    for (const { path } of batch) this.#mark(path, `${Math.round(part * 100)} %`);
  }

  outcomes(batch, files) {
    files.forEach((file, index) => {
      this.#mark(batch[index].path, file.ok ? "sent" : file.reason, file.ok ? "sent" : "refused");
    });
  }

  compared(entries, needed) {
    for (const { path } of entries) this.#mark(path, needed.has(path) ? "changed" : "unchanged");
  }

  askGone(paths, all) {
    this.gone.hidden = false;
    const title = all === 1 ? "One document is no longer in the folder." : `${all} documents are no longer in the folder.`;
    this.gone.querySelector("[data-upload-gone-title]").textContent = title;
    const rows = paths.slice(0, 50).map((path) => Object.assign(document.createElement("li"), { textContent: path }));
    if (all > rows.length) rows.push(Object.assign(document.createElement("li"), { textContent: `and ${all - rows.length} more` }));
    this.gone.querySelector("[data-upload-gone-list]").replaceChildren(...rows);
    this.sync.focus();
  }

  hideGone() {
    this.gone.hidden = true;
  }

  working() {
    this.region.hidden = false;
    this.retry.hidden = true;
    this.region.classList.remove("failed");
  }

  failed(text) {
    this.say(text);
    this.region.classList.add("failed");
    this.retry.hidden = false;
  }

  clear(text) {
    this.hideGone();
    this.rows.replaceChildren();
    this.progress(0, 1);
    this.retry.hidden = true;
    this.region.classList.remove("failed");
    this.say(text);
  }
}

const size = (bytes) => (bytes < 1 << 20 ? `${Math.max(1, Math.round(bytes / 1024))} KB` : `${(bytes / (1 << 20)).toFixed(1)} MB`);
