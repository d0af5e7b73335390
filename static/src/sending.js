// Requests of the upload. What goes wrong becomes a TryAgain, whose text says what happened and what to do.
export class TryAgain extends Error {}

const REASONS = {
  0: "The server could not be reached. Check the connection, then try again: what was sent is kept.",
  403: "You have been logged out, or may not write here any more. Reload the page.",
  404: "The memory is not there any more, or you may not write to it. Reload the page.",
  413: "That is more than the server takes in one request.",
  507: "The disk of the server is full. Ask an administrator to make room, then try again.",
};

export function send(form, url, body, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch cannot tell how far it is
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
    request.upload.addEventListener("progress", ({ loaded }) => progress?.(loaded));
    request.addEventListener("load", () => settle(request, resolve, reject));
    request.addEventListener("error", () => reject(new TryAgain(REASONS[0])));
    request.addEventListener("abort", () => reject(new TryAgain("Cancelled.")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

export const ask = (form, url, body) => send(form, url, body);

function settle(request, resolve, reject) {
  const answer = parsed(request);
  if (request.status < 300 && answer) return resolve(answer);
  if (answer?.errors) return reject(new TryAgain(Object.values(answer.errors).flat().join(" ")));
  const reason = answer?.error ? `Not taken: ${answer.error}.` : REASONS[request.status];
  return reject(new TryAgain(reason ?? `The server answered with an error (${request.status}). Try again.`));
}

function parsed(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return null; // a page: its status says what it is
  }
}
