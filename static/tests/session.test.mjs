// The editor's session against a server in memory: nothing typed is lost, and the chip says what is so.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Server, MemoryDevice, connect, until } from "./world.mjs";
import { Session } from "../src/editor/session.js";
import { stateOf } from "../src/editor/states.js";

let server;
let device;
let sessions;

const facts = { place: "1/2/3", mayWrite: true, socket: "ws://here/", live: "/live/", token: () => "" };
const chip = (session) => stateOf(session.state);
const type = (session, words) => session.text.insert(session.text.length, words);

async function open(where = device, place = facts.place) {
  const session = new Session({ ...facts, place }, where);
  sessions.push(session);
  await session.start();
  return session;
}

beforeEach(() => {
  [server, device, sessions] = [new Server(), new MemoryDevice(), []];
  connect(server);
});

afterEach(() => {
  for (const session of sessions) session.leave();
});

test("what is typed is saving until the server has acknowledged it", async () => {
  server.write("Ishmael. ");
  const session = await open();
  assert.equal(chip(session), "opening");
  await until(() => chip(session) === "saved");
  assert.equal(session.text.toString(), "Ishmael. ");
  type(session, "Call me 🐳");
  assert.equal(chip(session), "saving");
  await until(() => chip(session) === "saved");
  assert.equal(server.text, "Ishmael. Call me 🐳");
  assert.deepEqual(device.outbox, []);
});

test("an edit without an answer is sent again under its id and stored once", async () => {
  const session = await open();
  await until(() => chip(session) === "saved");
  server.silent = () => true;
  type(session, "whale");
  await until(() => server.seen.some(({ type }) => type === "update"));
  await until(() => device.outbox.length === 1);
  server.silent = () => false;
  server.cut();
  await until(() => chip(session) === "saved");
  const sent = server.seen.filter(({ type }) => type === "update");
  assert.equal(sent.length, 2);
  assert.equal(sent[0].id, sent[1].id);
  assert.equal(server.text, "whale");
});

test("edits without a line survive the page and merge with those of others", async () => {
  server.write("base. ");
  const before = await open();
  await until(() => chip(before) === "saved");
  server.reachable = false;
  server.cut();
  for (const word of ["one ", "two ", "three "]) {
    type(before, word);
    before.flush();
  }
  await until(() => chip(before) === "device");
  await until(() => device.outbox.length === 1 && device.kept, "they are kept as one edit, with the text");
  before.leave();

  server.write("Meanwhile. ");
  const after = await open();
  assert.equal(after.text.toString(), "base. one two three ");
  assert.equal(chip(after), "device");
  server.reachable = true;
  await until(() => chip(after) === "saved");
  assert.equal(server.text, "Meanwhile. base. one two three ");
  assert.equal(after.text.toString(), server.text);
  await until(() => device.kept === null && device.outbox.length === 0);
});

test("without room on the device nothing is called saved", async () => {
  device.full = true;
  const session = await open();
  await until(() => chip(session) === "saved");
  server.reachable = false;
  server.cut();
  type(session, "whale");
  await until(() => chip(session) === "unsaved");
  server.reachable = true;
  await until(() => chip(session) === "saved");
  assert.equal(server.text, "whale");
});

for (const looks of [true, false]) {
  const how = looks ? "" : ", also where the server has not looked at the generation";
  test(`a text begun anew leaves the old one as a draft and takes nothing of it${how}`, async () => {
    server.write("old ");
    const session = await open();
    await until(() => chip(session) === "saved");
    server.reachable = false;
    server.cut();
    type(session, "whale");
    await until(() => chip(session) === "device");
    [server.generation, server.log, server.reachable, server.looks] = [2, [], true, looks];
    server.write("new");
    await until(() => chip(session) === "reload");
    assert.equal(device.aside[0].text, "old whale");
    assert.equal(server.text, "new");
    server.looks = true;
    const again = await open();
    await until(() => again.text.toString() === "new");
  });
}

test("edits of somebody whose login ran out go on their way after the next one", async () => {
  const session = await open();
  await until(() => chip(session) === "saved");
  server.silent = () => true;
  type(session, "whale");
  await until(() => device.outbox.length === 1);
  for (const line of server.lines) line.end(4401);
  await until(() => chip(session) === "reload");
  assert.deepEqual(device.aside, []);
  server.silent = () => false;
  await open();
  await until(() => server.text === "whale");
});

test("who may not write any more sees it at once, and keeps what was not saved", async () => {
  const session = await open();
  await until(() => chip(session) === "saved");
  server.tell({ type: "rights", may_write: false });
  await until(() => chip(session) === "view");
  assert.equal(session.writable, false);

  const other = await open(new MemoryDevice());
  await until(() => chip(other) === "saved");
  server.mayWrite = false;
  type(other, "too late");
  await until(() => chip(other) === "reload");
  assert.equal(server.text, "");
  assert.equal(other.writable, false);
});

test("another tab shows edits while there is no line, and sends what a closed one left", async () => {
  const one = await open();
  const two = await open();
  await until(() => chip(one) === "saved" && chip(two) === "saved");
  server.reachable = false;
  server.cut();
  type(one, "whale");
  await until(() => two.text.toString() === "whale");
  await until(() => device.outbox.length === 1);
  one.leave();
  device.outbox[0].at -= 60_000; // a tab that lives would have sent it by now
  server.reachable = true;
  await until(() => two.state.connected);
  server.tell({ type: "head", seq: 0, projected: null });
  await until(() => server.text === "whale");
});

test("a long edit travels in parts", async () => {
  const session = await open();
  await until(() => chip(session) === "saved");
  type(session, "ä".repeat(300_000));
  await until(() => chip(session) === "saved");
  assert.ok(server.seen.filter(({ type }) => type === "part").length > 1);
  assert.equal(server.text.length, 300_000);
});

test("a server set back to an older state gets again what it had acknowledged", async () => {
  const session = await open();
  await until(() => chip(session) === "saved");
  type(session, "whale");
  await until(() => server.text === "whale" && chip(session) === "saved");
  server.log = [];
  server.cut();
  await until(() => server.text === "whale");
});

// Pages write, leave, come back and lose their line; answers and edits get lost on the way.
async function walk(seed) {
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const devices = [new MemoryDevice(), new MemoryDevice(), new MemoryDevice()];
  const pages = await Promise.all(devices.map((where, at) => open(where, `${at}/2/3`)));
  await until(() => pages.every((page) => chip(page) === "saved"));
  server.silent = () => random() < 0.15;
  server.mute = () => random() < 0.15;
  let words = 0;

  const write = (page) => {
    const places = [0, ...[...page.text.toString().matchAll(/\]/g)].map(({ index }) => index + 1)];
    page.text.insert(places[Math.floor(random() * places.length)], `[${words}🐳]`);
    words += 1;
  };
  const reload = async (at) => {
    pages[at].leave();
    await until(() => pages[at].state.pending.every((entry) => entry.kept));
    pages[at] = await open(devices[at], `${at}/2/3`);
    await until(() => pages[at].writable || !server.reachable);
  };
  for (let step = 0; step < 80; step += 1) {
    const at = Math.floor(random() * pages.length);
    const dice = random();
    if (dice < 0.7 && pages[at].writable) write(pages[at]);
    else if (dice < 0.8) server.cut();
    else if (dice < 0.87) await reload(at);
    else if (dice < 0.94) server.reachable = !server.reachable;
    else pages[at].flush();
    await new Promise((go) => setTimeout(go, random() * 30));
  }
  [server.silent, server.mute, server.reachable] = [() => false, () => false, true];
  server.cut();
  return { pages, words };
}

for (const seed of [7, 42, 1851]) {
  test(`whatever happens on the way, every word is there once (${seed})`, async () => {
    const { pages, words } = await walk(seed);
    await until(() => pages.every((page) => chip(page) === "saved" && page.text.toString() === server.text), "all agree");
    const found = server.text.match(/\[\d+🐳\]/g).map((word) => Number(word.match(/\d+/)));
    assert.ok(words > 20);
    assert.deepEqual(found.sort((a, b) => a - b), Array.from({ length: words }, (_, word) => word));
    assert.equal(new Set(server.log.map(({ id }) => id)).size, server.log.length);
  });
}
