// Browsers' Yjs for the tests: one command a line on stdin, one answer a line on stdout.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const Y = createRequire(new URL("../../../static/package.json", import.meta.url))("yjs");
const docs = new Map();
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const text = (data) => Buffer.from(data).toString("base64");

const commands = {
  open({ doc }) {
    docs.set(doc, new Y.Doc());
    docs.get(doc).getText("content");
  },
  // Positions count UTF-16, as in an editor, which never stands inside a pair; `half` does.
  edit({ doc, at, remove, insert, half }) {
    const content = docs.get(doc).getText("content");
    const before = Y.encodeStateVector(docs.get(doc));
    docs.get(doc).transact(() => {
      const now = content.toString();
      const inside = (place) => !half && /[\udc00-\udfff]/.test(now[place] ?? "") && /[\ud800-\udbff]/.test(now[place - 1] ?? "");
      let start = Math.min(at, content.length);
      if (inside(start)) start -= 1;
      let end = Math.min(start + remove, content.length);
      if (inside(end)) end += 1;
      content.delete(start, end - start);
      if (insert) content.insert(start, insert);
    });
    return text(Y.encodeStateAsUpdate(docs.get(doc), before));
  },
  apply: ({ doc, update }) => Y.applyUpdate(docs.get(doc), bytes(update)),
  text: ({ doc }) => docs.get(doc).getText("content").toString(),
  waits: ({ doc }) => docs.get(doc).store.pendingStructs !== null || docs.get(doc).store.pendingDs !== null,
  vector: ({ doc }) => text(Y.encodeStateVector(docs.get(doc))),
  state: ({ doc, vector }) => text(Y.encodeStateAsUpdate(docs.get(doc), vector ? bytes(vector) : undefined)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  process.stdout.write(JSON.stringify(commands[command.do](command) ?? null) + "\n");
}
