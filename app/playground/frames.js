// Work that follows a stream, at most once for each picture that the browser shows.

export class Frames {
  #work;
  #asked = null;

  constructor(work) {
    this.#work = work;
  }

  ask() {
    this.#asked ??= requestAnimationFrame(() => this.#run());
  }

  #run() {
    this.#asked = null;
    this.#work();
  }

  /** Not any more: whoever ends the stream does it once again anyway. */
  cancel() {
    if (this.#asked !== null) cancelAnimationFrame(this.#asked);
    this.#asked = null;
  }
}
