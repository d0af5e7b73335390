// Keeps a line to the server: a socket, or polling where sockets do not get through, with patience between attempts.
import { Polling, TRY_SOCKET } from "./polling.js";
import { Socket } from "./socket.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30000;
const BLOCKED = 2; // sockets in a row that did not join
const POLLED = 15000; // ms of polling until a socket is tried again, doubled each time that one fails
const LONGEST_POLLED = 600000;
const TOO_MANY = 4429;
// Trying again would get the same answer.
const FINAL = { 4401: "login", 4403: "rights", 4404: "gone", 4409: "generation" };

export class Link {
  line = null;
  joined = false;
  polling = false;
  #facts;
  #hello;
  #heard;
  #lost;
  #wait = FIRST_WAIT;
  #failures = 0;
  #polled = POLLED;
  #timer = null;
  #closing = new AbortController();

  get failing() {
    return !this.joined && this.#failures > 1;
  }

  // hello() gives what a join says; heard(message); lost(why), `why` being empty when it will be tried again.
  constructor(facts, hello, heard, lost) {
    [this.#facts, this.#hello, this.#heard, this.#lost] = [facts, hello, heard, lost];
    const { signal } = this.#closing;
    addEventListener("online", () => this.wake(true), { signal });
    addEventListener("offline", () => this.line?.check(), { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && this.wake(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.wake(), { signal });
  }

  open() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const heard = (message) => this.#received(message);
    const closed = (code) => this.#closed(code);
    this.polling = this.#failures >= BLOCKED && this.#failures % 2 === 0;
    const { live, socket, token } = this.#facts;
    this.line = this.polling
      ? new Polling(live, token(), this.#polled, this.#hello(), heard, closed)
      : new Socket(socket, this.#hello(), heard, closed);
  }

  wake(otherNetwork = false) {
    if (otherNetwork && !this.joined) this.#failures = 0;
    if (this.line) this.line.check();
    else if (this.#timer) this.open();
  }

  again() {
    this.line?.close();
    this.#closed(0);
  }

  close() {
    this.#closing.abort();
    clearTimeout(this.#timer);
    this.line?.close();
    [this.line, this.#timer, this.joined] = [null, null, false];
  }

  #received(message) {
    if (message.type === "joined") {
      this.joined = true;
      this.#wait = FIRST_WAIT;
      if (!this.polling) [this.#failures, this.#polled] = [0, POLLED];
    }
    this.#heard(message);
  }

  #closed(code) {
    const served = this.joined;
    [this.line, this.joined] = [null, false];
    if (FINAL[code]) return this.#lost(FINAL[code]);
    if (code === TRY_SOCKET) {
      this.#failures = BLOCKED - 1; // one more chance for a socket, then polling again
      this.#polled = Math.min(this.#polled * 2, LONGEST_POLLED);
    } else if (!served || this.polling) this.#failures += 1;
    this.#later(code === TRY_SOCKET ? 0 : code === TOO_MANY ? LONGEST_WAIT : this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    this.#lost("");
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.open(), wait * (0.75 + Math.random() / 2)); // spread: a restart is not stormed
  }
}
