// Before anything is painted: the colours that were chosen, so that the page does not flash.
try {
  const theme = localStorage.getItem("openai_api.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden: the system's colours.
}
