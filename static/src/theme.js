// Light or dark: runs in <head>, so that no page flashes in the wrong one.
const system = matchMedia("(prefers-color-scheme: dark)");

function kept() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // storage may be forbidden; the choice then lasts for this page
  }
}

function show(theme) {
  document.documentElement.dataset.bsTheme = theme;
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    button.setAttribute("aria-pressed", String(theme === "dark"));
  }
}

document.documentElement.dataset.scripted = ""; // styles leave out what is for pages without scripts, also in parts that come later
const wanted = () => kept() ?? (system.matches ? "dark" : "light");

show(wanted());
system.addEventListener("change", () => show(wanted()));
document.addEventListener("DOMContentLoaded", () => show(wanted()));
addEventListener("storage", (event) => event.key === "theme" && show(wanted()));
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-toggle]")) return;
  const theme = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
  show(theme);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // see kept()
  }
});
