// Updates as text frames. A frame stays below the server's limit: a longer update goes as parts.
import { fromBase64, toBase64 } from "lib0/buffer";

export const PART = 150_000; // bytes, 200 KB of base64; divisible by three, so that parts carry no padding inside

export { fromBase64 as bytesOf, toBase64 as textOf };

export function framesOf({ id, update }) {
  if (update.length <= PART) return [{ type: "update", id, update: toBase64(update) }];
  const of = Math.ceil(update.length / PART);
  const part = (index) => toBase64(update.subarray(index * PART, (index + 1) * PART));
  return Array.from({ length: of }, (_, index) => ({ type: "part", id, index, of, data: part(index) }));
}

// Collects the parts that follow a message whose update is long.
export class Parts {
  #parts;
  #missing;

  constructor(of) {
    this.#parts = Array(of);
    this.#missing = of;
  }

  // Gives the whole as soon as nothing is missing.
  add({ index, data }) {
    if (this.#parts[index] === undefined) this.#missing -= 1;
    this.#parts[index] = data;
    return this.#missing ? null : joined(this.#parts.map(fromBase64));
  }
}

function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
