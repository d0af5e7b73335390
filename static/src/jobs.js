// Lists that follow what happens: regions that are fetched again, progress that moves at once, and chosen rows.
import htmx from "./htmx.js";
import { register } from "./modules.js";

const SOON = 400; // a state has changed
const LATER = 2500; // only the progress has
const POLL = 10000; // should the socket be away
const HEARD = ["memvid:job", "memvid:memory", "memvid:comment"];

// Redrawing would take away what somebody is choosing or typing.
function inUse(region) {
  const active = document.activeElement;
  const typing = region.contains(active) && active.matches("input:not([type=checkbox]), textarea, select");
  const typed = [...region.querySelectorAll("textarea")].some((area) => area.value !== area.defaultValue);
  return typing || typed || region.querySelector(".pick input:checked, details.bulk-more[open]") !== null;
}

function concerns(region, type, detail) {
  if (detail?.type === "caught.up" || !detail) return true;
  const { liveJob, liveMemory, liveComments } = region.dataset;
  if ("liveActivity" in region.dataset) return !liveMemory || detail.memory === liveMemory;
  if (type === "memvid:comment") return liveComments === `${detail.memory}/${detail.document}`;
  if (liveComments) return false;
  if (detail.type === "rights.changed") return "liveMemories" in region.dataset;
  if ("liveJobs" in region.dataset || "liveMemories" in region.dataset) return true;
  return liveJob ? detail.job === liveJob : detail.memory === liveMemory;
}

register("live", (region) => {
  let timer = null;
  let due = Infinity;
  const refresh = () => {
    [timer, due] = [null, Infinity];
    if (inUse(region)) return plan(LATER);
    htmx.trigger(region, "refresh");
  };
  function plan(wait) {
    if (Date.now() + wait >= due) return;
    clearTimeout(timer);
    due = Date.now() + wait;
    timer = setTimeout(refresh, wait);
  }
  const heard = ({ type, detail }) => {
    if (!concerns(region, type, detail)) return;
    plan(type === "memvid:job" && detail?.state === "running" && shown(detail.job) ? LATER : SOON);
  };
  const poll = setInterval(() => region.querySelector("[data-job-progress]") && plan(0), POLL);
  for (const name of HEARD) document.body.addEventListener(name, heard);
  return () => {
    clearTimeout(timer);
    clearInterval(poll);
    for (const name of HEARD) document.body.removeEventListener(name, heard);
  };
});

const parts = (name, job) => document.querySelectorAll(`[data-job-${name}="${CSS.escape(job)}"]`);
const shown = (job) => parts("progress", job).length > 0;

document.addEventListener("memvid:job", ({ detail }) => {
  if (!detail?.job || detail.state !== "running") return;
  for (const bar of parts("progress", detail.job)) {
    if (detail.percent === null) bar.removeAttribute("value");
    else bar.value = detail.percent;
  }
  for (const stage of parts("stage", detail.job)) stage.textContent = detail.stage;
  for (const number of parts("percent", detail.job)) number.textContent = detail.percent === null ? "" : `${detail.percent} %`;
});

// The bar with what can be done to the chosen rows.
register("bulk", (bar) => {
  const count = bar.querySelector("[data-bulk-count]");
  const hint = count.textContent;
  const show = () => {
    const chosen = document.querySelectorAll(`input[name="${bar.dataset.chooses}"]:checked`).length;
    bar.classList.toggle("bulk-on", chosen > 0);
    bar.querySelector("[data-bulk-actions]").hidden = chosen === 0;
    count.textContent = chosen ? `${chosen} chosen` : hint;
  };
  document.addEventListener("change", show);
  show();
  return () => document.removeEventListener("change", show);
});

// A passage that a link points to is brought into view; the heading alone says little.
register("document", (article) => {
  if (!location.hash) article.querySelector("[data-marked]")?.scrollIntoView({ block: "center" });
});
