/** QR codes, drawn here: a service that draws them would learn the key. */

import { generate } from "lean-qr";
import { toSvgPath } from "lean-qr/extras/svg";

const SVG = "http://www.w3.org/2000/svg";
/** The quiet zone that the standard wants around the code, in modules. */
const MARGIN = 4;

/** Return a text as a QR code. */
export function drawCode(text: string, label: string): SVGSVGElement {
  const code = generate(text);
  const side = code.size + 2 * MARGIN;
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "qr");
  picture.setAttribute("viewBox", `${-MARGIN} ${-MARGIN} ${side} ${side}`);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", label);
  picture.setAttribute("shape-rendering", "crispEdges");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", toSvgPath(code));
  picture.append(path);
  return picture;
}
