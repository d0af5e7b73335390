// The socket of one document. Tells `heard(message)` with updates as bytes, and once `closed(code)`.
import { Parts, bytesOf, framesOf, textOf } from "./wire.js";

const OPENING = 8000; // ms until "joined": a proxy may take a socket and never carry it
const SILENCE = 25000; // ms; the server is heard each 10 s
const ANSWER = 4000; // ms for a pong
const LOST = 4000; // our own close code: the line is dead

export class Socket {
  #socket;
  #heard;
  #closed;
  #timer;
  #waiting = null; // a message whose update comes in parts
  #parts = null;

  constructor(address, hello, heard, closed) {
    this.#heard = heard;
    this.#closed = closed;
    this.#socket = new WebSocket(address);
    this.#socket.addEventListener("open", () => this.#put({ type: "join", ...hello, vector: textOf(hello.vector) }));
    this.#socket.addEventListener("message", ({ data }) => this.#received(JSON.parse(data)));
    this.#socket.addEventListener("close", ({ code }) => this.#end(code));
    this.#patience(OPENING);
  }

  send(entries) {
    for (const entry of entries) for (const frame of framesOf(entry)) this.#put(frame);
  }

  aware(update) {
    this.#put({ type: "awareness", update: textOf(update) });
  }

  // After sleep or a change of network a socket may look open and be dead.
  check() {
    this.#put({ type: "ping" });
    this.#patience(ANSWER);
  }

  close() {
    this.#closed = () => {};
    this.#end(1000);
  }

  #put(frame) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #patience(time) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(LOST), time);
  }

  #received(message) {
    this.#patience(this.#waiting || message.type === "joined" ? OPENING : SILENCE);
    if (message.type === "part") return this.#part(message);
    if (message.parts) {
      [this.#waiting, this.#parts] = [message, new Parts(message.parts)];
      return;
    }
    this.#tell(message);
  }

  #part(message) {
    const whole = this.#parts?.add(message);
    if (!whole) return;
    const waiting = this.#waiting;
    [this.#waiting, this.#parts] = [null, null];
    this.#tell({ ...waiting, update: whole });
  }

  #tell(message) {
    const bytes = (value) => (typeof value === "string" ? bytesOf(value) : value);
    const { type, update, vector } = message;
    if (type === "joined") this.#heard({ ...message, update: bytes(update), vector: bytes(vector) });
    else this.#heard(update === undefined ? message : { ...message, update: bytes(update) });
  }

  #end(code) {
    clearTimeout(this.#timer);
    const closed = this.#closed;
    this.#closed = () => {};
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close();
    closed(code);
  }
}
