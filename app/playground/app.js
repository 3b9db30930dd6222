// The page around the views: tabs, language, colours, the key, and the list of models.

import { announce, announcer } from "./announcer.js";
import { el, replace } from "./dom.js";
import { errorBox } from "./error_box.js";
import { icon } from "./icons.js";
import { bind, language, LANGUAGES, setLanguage, showLanguage } from "./i18n.js";
import { keyEntry } from "./key_entry.js";
import { knownModels, listModels } from "./models.js";
import { tabs } from "./tabs.js";
import { setTheme, theme, THEMES } from "./theme.js";

const VIEWS = ["chat", "completions", "embeddings", "rerank", "status"].map((id) => ({
  id,
  titleKey: `${id}.title`,
  load: () => import(`./views/${id}.js`),
}));

const trouble = el("div", { class: "trouble" });
const context = {
  get models() {
    return knownModels();
  },
  refreshModels,
  announce,
};

/** Ask for the models again; a failure is shown above the views. */
async function refreshModels() {
  try {
    await listModels();
    replace(trouble);
  } catch (error) {
    replace(trouble, errorBox(error, refreshModels));
  }
}

function themeButton() {
  const button = el("button", { type: "button", class: "button quiet square", id: "theme-button" });
  const show = () => {
    replace(button, icon(theme()));
    bind(button, "aria-label", `app.theme_${theme()}`);
    bind(button, "title", `app.theme_${theme()}`);
  };
  button.addEventListener("click", () => {
    setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
    show();
  });
  show();
  return button;
}

function languageSelect() {
  const select = el("select", { class: "select quiet", id: "language", "t:aria-label": "app.language" });
  for (const [name, title] of Object.entries(LANGUAGES))
    select.append(el("option", { value: name, lang: name }, title));
  select.value = language();
  select.addEventListener("change", () => setLanguage(select.value));
  return select;
}

function header(list, key) {
  return el(
    "header",
    { class: "top" },
    el("a", { class: "skip", href: "#main", onclick: skip, t: "app.skip" }),
    el("div", { class: "brand" }, el("span", { class: "mark", "aria-hidden": "true" }), el("h1", {}, "openai_api")),
    list,
    el("div", { class: "tools" }, languageSelect(), themeButton(), key),
  );
}

function skip(event) {
  // The address says which view is open, so it is left alone.
  event.preventDefault();
  document.getElementById("main").focus();
}

/** A file of the view did not come. Browsers remember that; only a new page asks for it again. */
function failed(panel, error) {
  console.info(error);
  replace(panel, errorBox({ kind: "unloaded" }, () => location.reload()));
}

function start() {
  showLanguage();
  const { list, panels, start: open } = tabs(VIEWS, context, failed);
  const { button, dialog } = keyEntry(refreshModels);
  const main = el("main", { id: "main", tabindex: "-1" }, trouble, panels);
  document.body.append(header(list, button), main, dialog, announcer());
  open();
  refreshModels();
}

start();
