// Browsers start no worker for a page that was opened as a file. The search then runs in a frame.
if (location.protocol === "file:") {
  // As between a page and its worker: later, and as a copy.
  const deliver = (target, scope, data) =>
    scope.setTimeout(() => {
      const copy = scope.structuredClone(data);
      target.dispatchEvent(new scope.MessageEvent("message", { data: copy }));
    });

  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.documentElement.append(frame);
      this.scope = frame.contentWindow;
      this.scope.postMessage = (data) => deliver(this, window, data);
      const script = this.scope.document.createElement("script");
      script.src = url;
      script.onload = () => this.start();
      this.scope.document.head.append(script);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else deliver(this.scope, this.scope, data);
    }

    start() {
      const waiting = this.waiting;
      this.waiting = null;
      waiting.forEach((data) => this.postMessage(data));
    }
  };
}
