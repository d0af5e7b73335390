// Logging out takes from this browser what the editor kept in it, and asks first where that was never saved.
import { ask } from "./confirm.js";
import { countUnsaved, wipe } from "./editor/device.js";
import { LOGOUT } from "./editor/logout.js";

document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!form.matches("[data-logout]") || form.dataset.wiped) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    leave(form, event.submitter);
  },
  true, // before the form counts as sent
);

async function leave(form, submitter) {
  if (!(await agreed())) return;
  dispatchEvent(new Event(LOGOUT)); // an editor on this page
  new BroadcastChannel(LOGOUT).postMessage(""); // and in other tabs: none may write any more
  await wipe().catch(() => {}); // no storage, nothing kept
  form.dataset.wiped = "1";
  form.requestSubmit(submitter);
}

async function agreed() {
  const unsaved = await countUnsaved().catch(() => 0);
  if (!unsaved) return true;
  const documents = unsaved === 1 ? "a document" : `${unsaved} documents`;
  return ask(`What you wrote in ${documents} is on this device only. Logging out deletes it.`, {
    confirmTitle: "Log out without saving?",
    confirmLabel: "Delete it and log out",
  });
}
