// Two ways to show frames behind one face: the real video, or pictures of its frames drawn by the server.
// Both tell `onFrame(number)` what is shown and `onEnd()` when the last allowed frame is reached.
const PICTURES_A_SECOND = 4;

export class VideoPlayer {
  constructor(video, { url, rate, onFrame, onEnd }) {
    Object.assign(this, { video, rate, onFrame, onEnd, last: Infinity, number: 0 });
    video.src = url;
  }

  // Rejects when this browser cannot play it.
  started() {
    const { video } = this;
    if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) return Promise.resolve();
    return new Promise((resolve, reject) => {
      video.addEventListener("loadeddata", resolve, { once: true });
      video.addEventListener("error", () => reject(video.error), { once: true });
    });
  }

  begin(number) {
    this.number = number;
    this.watchFrames();
  }

  watchFrames() {
    const { video } = this;
    const seen = (seconds) => {
      const number = Math.round(seconds * this.rate);
      if (video.seeking) return;
      if (number >= this.last && !video.paused) {
        video.pause();
        this.onEnd();
        if (number > this.last) return this.show(this.last);
      }
      this.number = number;
      this.onFrame(number);
    };
    if (video.requestVideoFrameCallback) {
      const next = (_, { mediaTime }) => (seen(mediaTime), video.requestVideoFrameCallback(next));
      video.requestVideoFrameCallback(next);
    } else {
      video.addEventListener("timeupdate", () => seen(Math.floor(video.currentTime * this.rate) / this.rate));
    }
    video.addEventListener("ended", () => this.onEnd());
  }

  get playing() {
    return !this.video.paused && !this.video.ended;
  }

  // Resolves when the frame is on the screen.
  show(number) {
    this.number = number;
    const there = new Promise((resolve) => this.video.addEventListener("seeked", resolve, { once: true }));
    this.video.currentTime = (number + 0.5) / this.rate; // its middle: rounding must not show the one before
    return there;
  }

  play(speed) {
    this.speed(speed);
    return this.video.play();
  }

  pause() {
    this.video.pause();
  }

  speed(value) {
    this.video.playbackRate = value;
  }

  stop() {
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load(); // lets go of the connection
  }
}

export class PicturePlayer {
  constructor(image, { urlOf, rate, number, onFrame, onEnd, onLoad, onFailure }) {
    Object.assign(this, { image, urlOf, rate, number, onFrame, onEnd, last: 0, timer: null, playing: false, factor: 1 });
    const told = { signal: (this.listening = new AbortController()).signal };
    const failed = () => {
      image.classList.add("is-broken");
      onFailure(this.number);
      this.loaded();
    };
    const came = () => {
      image.classList.remove("is-broken");
      onLoad();
      this.loaded();
    };
    image.addEventListener("load", came, told);
    image.addEventListener("error", failed, told);
    this.check = () => image.complete && !image.naturalWidth && failed(); // it failed before anybody listened
  }

  show(number) {
    this.number = number;
    this.image.src = this.urlOf(number);
    this.image.alt = `Frame ${number}`;
    this.onFrame(number);
  }

  loaded() {
    clearTimeout(this.timer);
    if (this.number < this.last) new Image().src = this.urlOf(this.number + 1);
    if (!this.playing) return;
    const wait = 1000 / Math.min(PICTURES_A_SECOND, Math.max(1, this.rate * this.factor));
    this.timer = setTimeout(() => this.step(), wait);
  }

  step() {
    if (!this.playing) return;
    if (this.number >= this.last) return (this.playing = false), this.onEnd();
    this.show(this.number + 1);
  }

  async play(speed) {
    this.speed(speed);
    this.playing = true;
    this.step();
  }

  pause() {
    this.playing = false;
    clearTimeout(this.timer);
  }

  speed(value) {
    this.factor = value;
  }

  stop() {
    this.pause();
    this.listening.abort();
  }
}
