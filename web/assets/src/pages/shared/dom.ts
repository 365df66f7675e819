/** Finding what the page's template has. A part that is missing is a bug of ours, so it is an error at once. */

type Kind<Found extends Element> = abstract new () => Found;

/** Return the element with an id. */
export function find<Found extends Element>(id: string, kind: Kind<Found>): Found {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${kind.name} #${id}`);
}

/** Return the element inside `root` that is marked with `data-part`. */
export function part<Found extends Element>(root: ParentNode, name: string, kind: Kind<Found>): Found {
  const found = root.querySelector(`[data-part="${name}"]`);
  if (found instanceof kind) return found;
  throw new Error(`the template has no ${kind.name} ${name}`);
}

/** Return the first element inside `root` that a selector finds. */
export function pick<Found extends Element>(root: ParentNode, selector: string, kind: Kind<Found>): Found {
  const found = root.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`there is no ${kind.name} ${selector}`);
}

/** Return a copy of a template's only element. */
export function copyTemplate(id: string): HTMLElement {
  const copy = find(id, HTMLTemplateElement).content.firstElementChild?.cloneNode(true);
  if (copy instanceof HTMLElement) return copy;
  throw new Error(`the template #${id} is empty`);
}

/** Return a new element with a class and a text. */
export function make(tag: string, className: string, text = ""): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Return a new button that looks like the others. */
export function makeButton(text: string, label: string, onClick: () => void): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-quiet";
  button.textContent = text;
  button.setAttribute("aria-label", label);
  button.addEventListener("click", onClick);
  return button;
}
