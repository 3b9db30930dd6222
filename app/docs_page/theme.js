// Light or dark, before anything is painted: as chosen in the playground, else as the system says.
const system = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  try {
    return localStorage.getItem("openai_api.theme");
  } catch {
    // Storage is forbidden: the system's colours.
    return null;
  }
}

function paint() {
  const theme = chosen();
  const isDark = theme === "dark" || (theme !== "light" && system.matches);
  document.documentElement.classList.toggle("dark-mode", isDark);
}

system.addEventListener("change", paint);
paint();
