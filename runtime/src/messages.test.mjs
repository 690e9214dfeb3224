import { readdirSync, readFileSync } from "node:fs";
import ts from "typescript";
import { describe, expect, it } from "vitest";

/** Which argument of these is the message. */
const ERRORS = { BundleError: 1, Retryable: 1, TfjsBundleError: 0 };
/** All that is left of a message that is another error's. */
const PASSED_ON = /^[….]+$/;

const root = new URL("../..", import.meta.url);

/** The calls in a file, each with the function that it stands in, and what the functions return. */
function read(path) {
  const source = ts.createSourceFile(path, readFileSync(new URL(path, root), "utf8"), ts.ScriptTarget.Latest);
  const calls = [];
  const returns = new Map();
  const visit = (node, within) => {
    if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && ts.isIdentifier(node.expression)) {
      calls.push({ name: node.expression.text, given: node.arguments ?? [], within });
    }
    const name = within?.name?.text;
    if (name && ts.isReturnStatement(node) && node.expression) {
      returns.set(name, [...(returns.get(name) ?? []), node.expression]);
    }
    ts.forEachChild(node, (child) => visit(child, ts.isFunctionDeclaration(node) ? node : within));
  };
  visit(source);
  return { calls, returns };
}

/** The messages of a file, with `…` for what is filled in. */
function messagesOf(path) {
  const { calls, returns } = read(path);

  /** What an expression can come to; a parameter comes to what each call of its function gives. */
  function texts(node, within) {
    if (ts.isStringLiteralLike(node)) return [node.text];
    if (ts.isConditionalExpression(node)) {
      return [...texts(node.whenTrue, within), ...texts(node.whenFalse, within)];
    }
    if (ts.isBinaryExpression(node)) return joined(texts(node.left, within), texts(node.right, within));
    if (ts.isTemplateExpression(node)) {
      return node.templateSpans.reduce(
        (heads, { expression, literal }) =>
          joined(heads, ts.isIdentifier(expression) ? texts(expression, within) : ["…"], [literal.text]),
        [node.head.text],
      );
    }
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const returned = returns.get(node.expression.text) ?? [];
      return returned.length ? returned.flatMap((each) => texts(each)) : ["…"];
    }
    const index = ts.isIdentifier(node) ? parameter(node.text, within) : -1;
    const users = calls.filter(({ name, given }) => name === within?.name?.text && given[index]);
    if (index < 0 || users.length === 0) return ["…"];
    return users.flatMap((call) => texts(call.given[index], call.within));
  }

  return calls
    .filter(({ name }) => name in ERRORS)
    .flatMap(({ name, given, within }) => texts(given[ERRORS[name]], within))
    .map(plain)
    .filter((text) => !PASSED_ON.test(text));
}

function parameter(name, within) {
  return within?.parameters.findIndex((each) => ts.isIdentifier(each.name) && each.name.text === name) ?? -1;
}

function joined(...parts) {
  return parts.reduce((heads, tails) => heads.flatMap((head) => tails.map((tail) => head + tail)));
}

/** One space between words, and one `…` for all that is filled in at one place. */
function plain(text) {
  return text.replace(/\s+/g, " ").replace(/…([ ./]?…)+/g, "…");
}

/** The messages that the page lists for the browser: what is marked as code in the first column. */
function listed() {
  const page = readFileSync(new URL("docs/troubleshooting.md", root), "utf8");
  const rows = page.slice(page.indexOf("\n## In the browser")).matchAll(/^\| (`.*?`) \| /gm);
  return [...rows].flatMap(([, cell]) =>
    [...cell.matchAll(/``(.+?)``(?!`)|`([^`]+)`/g)].map((span) => plain(span[1] ?? span[2])),
  );
}

const covers = (pattern, text) =>
  text === pattern || (pattern.endsWith("…") && text.startsWith(pattern.slice(0, -1)));

const told = ["runtime/src", "plugin/src"]
  .flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true }).map((path) => `${folder}/${path}`),
  )
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
  .flatMap(messagesOf);

describe("docs/troubleshooting.md", () => {
  it("has every message of the runtime and the plugins", () => {
    expect(told.length).toBeGreaterThan(60);
    expect(told.filter((text) => !listed().some((pattern) => covers(pattern, text)))).toEqual([]);
  });

  it("has no message that they do not have", () => {
    expect(listed().filter((pattern) => !told.some((text) => covers(pattern, text)))).toEqual([]);
  });
});
