// Work that follows a stream, at most once for each picture that the browser shows.

// As long as the last work took, so many times longer it rests: a quarter of the time is for it.
const REST = 3;

export class Frames {
  #work;
  #asked = null;
  #restsUntil = 0;

  constructor(work) {
    this.#work = work;
  }

  ask() {
    this.#asked ??= requestAnimationFrame(() => this.#run());
  }

  #run() {
    this.#asked = null;
    const begin = performance.now();
    if (begin < this.#restsUntil) return this.ask();
    this.#work();
    const end = performance.now();
    this.#restsUntil = end + (end - begin) * REST;
  }

  /** Not any more: whoever ends the stream does it once again anyway. */
  cancel() {
    if (this.#asked !== null) cancelAnimationFrame(this.#asked);
    this.#asked = null;
  }
}
