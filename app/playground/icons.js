// Line icons of 24 units, drawn in the colour of the text. They mean nothing by themselves: the
// element around them has the words.

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  auto: "M12 3a9 9 0 1 0 0 18ZM12 3a9 9 0 0 1 0 18",
  check: "M5 12.500l4.500 4.500L19 7.500",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9ZM5 15H4V4h11v1",
  dark: "M20 14.500A8.500 8.500 0 1 1 9.500 4a7 7 0 0 0 10.500 10.500Z",
  edit: "M4 20h4L19.500 8.500l-4-4L4 16ZM13.500 6.500l4 4",
  key: "M15.500 4a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9ZM12.300 11.700L4 20v0M7 17l2.500 2.500M10 14l2 2",
  light:
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2v2M12 20v2M2 12h2M20 12h2M4.900 4.900l1.400 1.400M17.700 17.700l1.400 1.400M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400",
  more: "M4 7h10M18 7h2M4 17h2M10 17h10M16 4.500v5M8 14.500v5",
  redo: "M20 11a8 8 0 1 0-2.300 6.300M20 4v7h-7",
  send: "M12 20V5M5.500 11.500L12 5l6.500 6.500",
  stop: "M6 6h12v12H6Z",
  trash: "M4 7h16M9 7V4h6v3M6.500 7l1 13h9l1-13",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
