"""The fields follow what the chosen model can do."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.chats import model_choice, open_chat

# Two models are asked about, and the first answers last; then one that tells no limit.
CROSSED = """async (most) => {
  const { GenerationSettings } = await import(
    new URL("playground/generation_settings.js", document.baseURI)
  );
  const answers = {};
  window.fetch = (url) => new Promise((resolve) => {
    answers[String(url).split("/").at(-1)] = (capabilities) =>
      resolve(new Response(JSON.stringify({ capabilities })));
  });
  const settings = new GenerationSettings({ maxAlternatives: most });
  settings.addTools([]);
  const [first, last] = [settings.follow("first"), settings.follow("last")];
  answers.last({ tools: false, max_top_logprobs: 3 });
  await last;
  answers.first({ tools: true, max_top_logprobs: 9 });
  await first;
  const { tools, top_logprobs } = settings.controls;
  const found = [tools.disabled, top_logprobs.max];
  const other = settings.follow("other");
  answers.other({});
  await other;
  return [...found, top_logprobs.max];
}"""


def test_the_fields_are_those_of_the_model_chosen_last(page: Page) -> None:
    page.goto("./")
    assert page.evaluate(CROSSED, 20) == [True, "3", "20"]
    assert page.evaluate(CROSSED, 2) == [True, "2", "2"]


def test_what_the_model_does_not_take_cannot_be_filled_in(page: Page) -> None:
    open_chat(page)
    for label in ("Frequency penalty", "Presence penalty"):
        expect(page.get_by_label(label)).to_be_disabled()
    expect(page.get_by_label("Top p")).to_be_enabled()
    page.get_by_text("Tools", exact=True).click()
    expect(page.get_by_label("Functions, as JSON")).to_be_disabled()
    model_choice(page).select_option("ft-parrot")
    expect(page.get_by_label("Functions, as JSON")).to_be_enabled()
