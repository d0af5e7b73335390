// Messages to the person: they stay until dismissed, and a screen reader hears them.
export function tell(text, level = "info") {
  const box = document.createElement("div");
  box.className = `alert alert-${level} alert-dismissible`;
  box.setAttribute("role", level === "danger" ? "alert" : "status");
  const words = document.createElement("div");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn-close";
  close.dataset.dismiss = "";
  close.setAttribute("aria-label", "Dismiss");
  box.append(words, close);
  const area = document.getElementById("messages");
  for (const same of area.children) if (same.textContent.trim() === text) same.remove();
  area.append(box);
}

document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".alert")?.remove());

const REASONS = {
  0: "The server could not be reached. Nothing was changed; try again in a moment.",
  403: "That was refused: you may have been logged out. Reload the page and try again.",
  404: "That is not there any more, or you may not see it. Reload the page.",
  413: "That is more than the server takes in one go.",
  429: "Too many attempts. Wait a minute and try again.",
  503: "A part of the service is away for a moment. Nothing was changed; try again soon.",
};

// `status` of the answer; 0 where there was none.
export function tellFailure(status) {
  tell(REASONS[status] ?? `The server answered with an error (${status}). Nothing is known to be changed; reload the page to see.`, "danger");
}

document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => tellFailure(xhr.status));
document.addEventListener("htmx:sendError", () => tellFailure(0));
document.addEventListener("htmx:timeout", () => tellFailure(0));
