// Text, preview, or both beside each other; the choice is kept for the next document.
const KEY = "editor-mode";

export function modes(root) {
  const buttons = [...root.querySelectorAll("[data-mode]")];
  const choose = (mode) => {
    root.dataset.shows = mode;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      choose(button.dataset.mode);
      remember(button.dataset.mode);
    });
  }
  const known = remembered();
  const wide = matchMedia("(min-width: 992px)");
  choose(buttons.some((button) => button.dataset.mode === known) && (known !== "both" || wide.matches) ? known : wide.matches ? "both" : "text");
  wide.addEventListener("change", () => !wide.matches && root.dataset.shows === "both" && choose("text"));
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage may be forbidden
  }
}

function remember(mode) {
  try {
    localStorage.setItem(KEY, mode);
  } catch {
    // see remembered()
  }
}
