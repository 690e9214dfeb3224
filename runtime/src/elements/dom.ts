/** Building elements. Text is only ever set as text: names and labels come from strangers. */

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined>;

/** An element with attributes (`true` sets an empty one, `null` and `false` leave it out) and children. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.filter((child): child is Node | string => child !== null && !isNothing(child)));
  return made;
}

function isNothing(child: Child): child is undefined | false {
  return child === undefined || child === false;
}

/** A button that does one thing and never submits the form it stands in. */
export function button(text: string, action: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const made = element("button", { type: "button", part: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

/** Sentences that come and go; screen readers are told. */
export function hint(attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  return element("p", { class: "hint", part: "hint", ...attributes }, ...children);
}

let count = 0;

/** An id that is used once, to tie labels to what they label. */
export function freshId(prefix: string): string {
  count += 1;
  return `${prefix}-${count}`;
}
