/** The elements' style sheet: one object, shared by every shadow tree. */

import text from "./elements.css";

let sheet: CSSStyleSheet | undefined;

export function styles(): CSSStyleSheet[] {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
  }
  return [sheet];
}
