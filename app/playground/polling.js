// Something done again and again while the page is looked at.

/** Calls `work()`, and again `seconds` after it has ended, while it is not paused and not hidden. */
export class Polling {
  #timer = null;
  #isRunning = false;
  #isStopped = true;

  constructor(work, seconds) {
    Object.assign(this, { work, seconds, isPaused: false });
  }

  start() {
    this.#isStopped = false;
    document.addEventListener("visibilitychange", this.#look);
    this.#look();
  }

  stop() {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#look);
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    this.#look();
  }

  get #rests() {
    return this.#isStopped || this.isPaused || document.hidden;
  }

  #look = () => {
    clearTimeout(this.#timer);
    if (!this.#rests && !this.#isRunning) this.#run();
  };

  async #run() {
    this.#isRunning = true;
    try {
      await this.work();
    } finally {
      this.#isRunning = false;
    }
    if (!this.#rests) this.#timer = setTimeout(this.#look, this.seconds * 1000);
  }
}
