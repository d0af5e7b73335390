// What the chip says. It promises nothing that is not so: "Saved" is an acknowledgement of the server for every edit,
// "Saved on this device" one of the browser's own storage.
export const STATES = {
  saved: "Saved",
  saving: "Saving",
  device: "Saved on this device",
  unsaved: "Not saved",
  view: "View only",
  reload: "Reload needed",
  opening: "Opening",
};

const KEEPING = 1000; // ms that the device may take to keep an edit
const SLOW = 5000; // ms that an acknowledgement may take before the chip stops to say "Saving"

// facts: {stopped, opened, mayWrite, connected, pending: [{kept, at, made}], now}
export function stateOf(facts) {
  const { stopped, opened, mayWrite, connected, pending, now } = facts;
  const kept = pending.every((entry) => entry.kept);
  if (stopped) return !pending.length || (stopped.resumes && kept) ? "reload" : "unsaved";
  if (!opened) return "opening";
  if (!pending.length) return mayWrite ? "saved" : "view";
  if (connected && pending.every((entry) => now - entry.at < SLOW)) return "saving";
  if (!kept && pending.every((entry) => entry.kept || now - entry.made < KEEPING)) return "saving";
  return kept ? "device" : "unsaved";
}

// The words beside it, for who wonders.
export function detailOf(state, { connected, polling, failing, stopped }) {
  if (stopped) return stopped.reason;
  if (state === "opening") return failing ? "The server does not answer. It is asked again and again." : "";
  if (state === "device") return "It goes to the server as soon as that can be reached.";
  if (state === "unsaved") return "Neither the server nor this browser has kept your last edits. Leave this page open.";
  if (!connected) return "Offline: you do not see what others write now.";
  if (polling) return "Live connections are blocked here: others' edits come a little later, and neither they nor you see who else is here.";
  return "";
}

export const isSafeToLeave = (state) => !["saving", "unsaved", "device"].includes(state);
