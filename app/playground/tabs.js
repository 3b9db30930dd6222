// Tabs as https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ has them; the address says which is open.

import { el, replace } from "./dom.js";

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/**
 * `views` are `{id, titleKey, load}`; `load()` gives the module `{mount(container, context),
 * unmount?()}`. A view without `unmount` stays as it is while another is shown; one with it is
 * emptied, and mounted again when it is shown again. Gives `{list, panels}`.
 */
export function tabs(views, context, failed) {
  const open = views.map((view) => new Tab(view, context, failed));
  const list = el("div", { role: "tablist", class: "tabs", "t:aria-label": "app.views" });
  list.append(...open.map((tab) => tab.button));
  const select = (chosen) => {
    for (const tab of open) tab.show(tab === chosen);
    reveal(list, chosen.button);
  };
  const follow = () => select(open.find((tab) => `#${tab.view.id}` === location.hash) ?? open[0]);
  for (const tab of open) {
    tab.button.addEventListener("click", () => (location.hash = tab.view.id));
    tab.button.addEventListener("keydown", (event) => move(event, open, tab));
  }
  window.addEventListener("hashchange", follow);
  return { list, panels: open.map((tab) => tab.panel), start: follow };
}

/** By hand: scrollIntoView would also move where the Tab key goes on from. */
function reveal(list, button) {
  const [start, end] = [button.offsetLeft - list.offsetLeft, button.offsetLeft - list.offsetLeft + button.offsetWidth];
  if (start < list.scrollLeft) list.scrollLeft = start;
  else if (end > list.scrollLeft + list.clientWidth) list.scrollLeft = end - list.clientWidth;
}

function move(event, open, tab) {
  const target =
    event.key in STEPS
      ? (open.indexOf(tab) + STEPS[event.key] + open.length) % open.length
      : { Home: 0, End: open.length - 1 }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  open[target].button.focus();
  open[target].button.click();
}

class Tab {
  #isMounted = false;
  #isShown = false;
  #module = null;

  constructor(view, context, failed) {
    Object.assign(this, { view, context, failed });
    this.button = el("button", {
      type: "button",
      role: "tab",
      class: "tab",
      id: `tab-${view.id}`,
      "aria-controls": `panel-${view.id}`,
      t: view.titleKey,
    });
    this.panel = el("section", {
      role: "tabpanel",
      class: "panel",
      id: `panel-${view.id}`,
      "aria-labelledby": `tab-${view.id}`,
      hidden: true,
    });
  }

  show(isShown) {
    this.button.setAttribute("aria-selected", String(isShown));
    this.button.tabIndex = isShown ? 0 : -1;
    this.panel.hidden = !isShown;
    if (isShown === this.#isShown) return;
    this.#isShown = isShown;
    if (isShown) this.#mount();
    else this.#leave();
  }

  async #mount() {
    if (this.#isMounted) return;
    this.#isMounted = true;
    try {
      this.#module ??= await this.view.load();
      if (!this.#isShown) {
        this.#isMounted = false;
        return;
      }
      replace(this.panel);
      this.#module.mount(this.panel, this.context);
    } catch (error) {
      this.#isMounted = false;
      this.failed(this.panel, error);
    }
  }

  #leave() {
    if (!this.#module?.unmount || !this.#isMounted) return;
    this.#module.unmount();
    replace(this.panel);
    this.#isMounted = false;
  }
}
