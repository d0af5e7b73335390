// The watch page: controls over a player, the text of the frame under the play head, and the history slider.
import { tell } from "./messages.js";
import { register } from "./modules.js";
import { PicturePlayer, VideoPlayer } from "./watch-players.js";

const TEXT_AFTER = 160; // ms without another frame
const TEXT_AT_LEAST = 900; // ms, while frames keep coming
const KEPT_TEXTS = 200;
const SHORT = 240; // frames: at full speed such a memory is over in seconds
const SPEED = "watch-speed";

register("watch", (root) => {
  const part = (name) => root.querySelector(`[data-part=${name}]`);
  const facts = root.dataset;
  const rate = Number(facts.rate) || 30;
  const starts = JSON.parse(document.getElementById("watch_commits").textContent);
  const ticks = JSON.parse(document.getElementById("watch_ticks").textContent);
  const [video, picture, seek, slider, speed, note] = ["video", "picture", "seek", "history", "speed", "note"].map(part);
  const gone = new AbortController(); // ends every listener on the document
  const cleanups = [];
  let last = Number(facts.last);
  let number = Number(facts.frame);
  let player = null;

  // -- the frame

  const pictureOf = (frame) => `${facts.picture.replace("/0.png", `/${frame}.png`)}?size=1024&v=${facts.version}`;
  const time = (frame) => {
    const seconds = frame / rate;
    return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
  };
  const commitOf = (frame) => starts.findLast(([, first]) => first <= frame) ?? starts[0];

  function say(text) {
    note.textContent = text ?? "";
    note.hidden = !text;
  }

  function onFrame(frame) {
    number = frame;
    const [commit] = commitOf(frame);
    seek.value = frame;
    seek.setAttribute("aria-valuetext", `frame ${frame} of ${last}, commit ${commit}`);
    part("where").textContent = `frame ${frame.toLocaleString()} of ${last.toLocaleString()}`;
    part("time").textContent = `commit ${commit} · ${time(frame)} of ${time(last)}`;
    text.want(frame);
  }

  function show(frame) {
    number = Math.max(0, Math.min(last, frame));
    player?.show(number);
    onFrame(number);
    remember();
  }

  function playing(on) {
    root.classList.toggle("is-playing", on);
    const button = root.querySelector("[data-act=play]");
    button.setAttribute("aria-label", on ? "Pause" : "Play");
    root.querySelector(".watch-text").setAttribute("aria-busy", String(on)); // read out when it stands still
    if (!on) remember();
  }

  function pause() {
    player?.pause();
    playing(false);
  }

  async function toggle() {
    if (!player) return;
    if (player.playing) return pause();
    if (number >= last) show(0);
    try {
      await player.play(Number(speed.value));
      playing(true);
    } catch {
      playing(false);
    }
  }

  function jump(direction) {
    const at = starts.indexOf(commitOf(number));
    const inside = direction < 0 && number > starts[at][1]; // first to the beginning of this one
    const target = starts[at + (inside ? 0 : direction)];
    if (target) show(target[1]);
  }

  // -- its text

  const text = {
    known: new Map(),
    shown: number,
    wanted: number,
    timer: null,
    since: 0,
    request: null,
    want(frame) {
      this.wanted = frame;
      if (frame === this.shown) return;
      clearTimeout(this.timer);
      this.since ||= performance.now();
      const wait = this.known.has(frame) && !player?.playing ? 0 : TEXT_AFTER;
      this.timer = setTimeout(() => this.load(), performance.now() - this.since > TEXT_AT_LEAST ? 0 : wait);
    },
    async load() {
      const frame = this.wanted;
      this.since = 0;
      this.request?.abort();
      this.request = new AbortController();
      try {
        this.put(frame, this.known.get(frame) ?? (await this.fetch(frame, this.request.signal)));
      } catch (error) {
        if (error.name !== "AbortError") this.put(frame, null);
      }
    },
    async fetch(frame, signal) {
      const answer = await fetch(facts.text.replace("/0/", `/${frame}/`), { signal });
      if (!answer.ok) throw new Error(answer.status);
      const html = await answer.text();
      this.known.set(frame, html);
      if (this.known.size > KEPT_TEXTS) this.known.delete(this.known.keys().next().value);
      return html;
    },
    put(frame, html) {
      const area = root.querySelector(".watch-text");
      if (html === null) area.textContent = "The text of this frame could not be loaded. Move on, or reload the page.";
      else area.innerHTML = html;
      area.scrollTop = 0;
      this.shown = frame;
    },
  };

  // -- history

  function place(value) {
    const tick = ticks.findLast((one) => one.number <= value) ?? ticks[0];
    const day = new Date(tick.time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const about = tick.number === value ? `${day}${tick.message ? `, “${tick.message.slice(0, 160)}”` : ""}` : `after ${day}`;
    const words = `Commit ${value} of ${facts.head}: ${about}`;
    part("commit").textContent = words;
    slider.setAttribute("aria-valuetext", words);
    for (const line of root.querySelectorAll(".watch-ticks line")) {
      line.classList.toggle("is-shown", Number(line.dataset.number) <= value);
    }
  }

  function draw() {
    const span = Math.max(1, Number(facts.head) - 1);
    for (const line of root.querySelectorAll(".watch-ticks line")) {
      const x = ((Number(line.dataset.number) - 1) / span) * 1000;
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
  }

  function asOf(state) {
    last = Number(state.dataset.last);
    facts.at = state.dataset.at;
    seek.max = last;
    if (player) player.last = last;
    if (number > last) pause();
    show(Math.min(number, last));
  }

  function remember() {
    const here = new URL(location.href);
    here.searchParams.set("frame", number);
    if (facts.at === facts.head) here.searchParams.delete("at");
    else here.searchParams.set("at", facts.at);
    history.replaceState(history.state, "", here);
  }

  // -- which player: pictures at once, and the video when it is there; opening a large one takes a while

  function pictures(reason) {
    if (video) video.hidden = true;
    picture.hidden = false;
    player = new PicturePlayer(picture, {
      urlOf: pictureOf, rate, onFrame, number,
      onEnd: () => playing(false),
      onLoad: () => say(reason),
      onFailure: (frame) => say(`Frame ${frame} could not be drawn: it is damaged, or the server could not be reached.`),
    });
    player.last = last;
    say(reason);
    player.check();
  }

  function fallBack(film) {
    if (gone.signal.aborted) return;
    film.stop();
    player.stop();
    playing(false);
    pictures("The video could not be played here: the server draws its frames.");
    show(number);
  }

  async function begin() {
    pictures("");
    if (!video) return;
    if (!facts.mediaType || !video.canPlayType(facts.mediaType)) {
      return pictures("This browser does not play this kind of video: the server draws its frames.");
    }
    const film = new VideoPlayer(video, { url: `${facts.video}?v=${facts.version}`, rate, onFrame, onEnd: () => playing(false) });
    cleanups.push(() => film.stop());
    try {
      await film.started();
      await film.show(number);
    } catch {
      return fallBack(film);
    }
    const going = player.playing;
    player.stop();
    film.last = last;
    player = film;
    video.addEventListener("error", () => fallBack(film), { once: true });
    film.begin(number);
    video.hidden = false;
    picture.hidden = true;
    say("");
    if (going) toggle();
  }

  // -- controls

  const ACTS = {
    play: toggle,
    back: () => (pause(), show(number - 1)),
    on: () => (pause(), show(number + 1)),
    "commit-back": () => jump(-1),
    "commit-on": () => jump(1),
  };
  const KEYS = {
    " ": ACTS.play, ArrowLeft: ACTS.back, ArrowRight: ACTS.on,
    "Shift+ArrowLeft": ACTS["commit-back"], "Shift+ArrowRight": ACTS["commit-on"],
  };
  const ENDS = { Home: () => show(0), End: () => show(last) };

  function pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const { target } = event;
    const inPlayer = target === seek || target.closest?.(".watch-player");
    const taken = target !== seek && target.closest?.("input, select, textarea, summary, [contenteditable]");
    if (taken || (target.closest?.("a, button") && event.key === " ")) return;
    if (!inPlayer && target !== document.body && target !== root) return;
    const name = event.shiftKey ? `Shift+${event.key}` : event.key;
    const act = KEYS[name] ?? (inPlayer ? ENDS[name] : undefined);
    if (!act) return;
    event.preventDefault();
    act();
  }

  root.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (act) return ACTS[act]();
    const wanted = event.target.closest("[data-seek]");
    if (wanted) {
      pause();
      show(Number(wanted.dataset.seek));
      root.querySelector(".watch-player").scrollIntoView({ block: "nearest", behavior: "smooth" });
    } else if (event.target.closest("[data-stage]")) toggle();
  });
  root.addEventListener("htmx:load", ({ detail: { elt } }) => elt.id === "watch_state" && asOf(elt));
  seek.addEventListener("input", () => show(Number(seek.value)));
  slider.addEventListener("input", () => place(Number(slider.value)));
  speed.addEventListener("change", () => {
    player?.speed(Number(speed.value));
    localStorage.setItem(SPEED, speed.value);
  });
  document.addEventListener("keydown", pressed, { signal: gone.signal });
  document.body.addEventListener(
    "memvid:memory",
    ({ detail }) => {
      if (detail.memory === facts.memory && detail.head !== Number(facts.head)) {
        tell("This memory has changed. Reload the page to watch its newest frames.");
      }
    },
    { signal: gone.signal },
  );

  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches || last < SHORT;
  speed.value = localStorage.getItem(SPEED) ?? (calm ? "0.0625" : "0.25");
  if (speed.selectedIndex < 0) speed.selectedIndex = 0;
  draw();
  place(Number(slider.value));
  onFrame(number);
  begin();
  return () => {
    gone.abort();
    player?.stop();
    for (const cleanup of cleanups) cleanup();
  };
});
