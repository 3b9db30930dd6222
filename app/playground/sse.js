// Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html

/** Takes a stream's text in pieces and gives the data of each event that is complete. */
export class EventReader {
  #rest = "";
  #data = [];

  /** The data of the events that end in `piece`, as texts. */
  push(piece) {
    // A line break may itself be cut in two: CR at the end waits for what follows.
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) this.#take(line, events);
    return events;
  }

  #take(line, events) {
    if (line === "") {
      if (this.#data.length) events.push(this.#data.join("\n"));
      this.#data = [];
    } else if (line.startsWith("data:")) {
      this.#data.push(line.slice(line[5] === " " ? 6 : 5));
    }
    // Comments keep the connection alive; other fields mean nothing here.
  }
}
