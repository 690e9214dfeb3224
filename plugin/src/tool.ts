/** Finding and running the Python tool. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { TfjsBundleError } from "./errors.js";

/** How the tool is started: a program and its first arguments. */
export type Tool = readonly [program: string, ...first: string[]];

const WINDOWS = process.platform === "win32";
const SCRIPTS = WINDOWS ? "Scripts" : "bin";
const PROGRAM = WINDOWS ? "tfjs-bundle.exe" : "tfjs-bundle";

/**
 * Return how to start the tool: as named, else from the active environment, from a `.venv` or `venv` beside the
 * app or above it, or from PATH.
 *
 * @throws TfjsBundleError where it is in none of these places
 */
export function findTool(
  root: string,
  named: { python?: string; command?: string },
  environment: NodeJS.ProcessEnv = process.env,
): Tool {
  if (named.command) return [named.command];
  if (named.python) return [named.python, "-m", "tfjs_bundle"];
  const active = [environment.VIRTUAL_ENV, environment.CONDA_PREFIX].filter((path) => path !== undefined);
  const beside = upwards(root).flatMap((directory) => [join(directory, ".venv"), join(directory, "venv")]);
  const places = [
    ...[...active, ...beside].map((directory) => join(directory, SCRIPTS)),
    ...(environment.PATH ?? "").split(delimiter).filter(Boolean),
  ];
  const found = places.map((place) => join(place, PROGRAM)).find((path) => existsSync(path));
  if (found) return [found];
  throw new TfjsBundleError(
    `The Python tool tfjs-bundle is neither in the active environment, nor in a .venv at or above ${root}, nor on PATH.`,
    `Install it (python3 -m venv .venv && ${join(".venv", SCRIPTS, "pip")} install tfjs-bundle), ` +
      'or say where it is: tfjsBundle({ model, python: "/path/to/python" }).',
  );
}

/** `directory` and what it lies in, up to the checkout's own directory or the root. */
function upwards(directory: string): string[] {
  const above = dirname(directory);
  if (above === directory || existsSync(join(directory, ".git"))) return [directory];
  return [directory, ...upwards(above)];
}

/**
 * Run the tool in `root` and return what it writes to standard output.
 *
 * @throws TfjsBundleError with the tool's own words where it refuses
 */
export async function runTool(tool: Tool, given: readonly string[], root: string): Promise<string> {
  const [program, ...first] = tool;
  const { code, stdout, stderr } = await run(program, [...first, ...given], root);
  if (code === 0) return stdout;
  const refusal = readRefusal(stdout);
  if (refusal) throw new TfjsBundleError(refusal.what, refusal.cure);
  if (/No module named '?tfjs_bundle/.test(stderr)) {
    throw new TfjsBundleError(
      `${program} has no tfjs-bundle installed.`,
      `Install it: ${program} -m pip install tfjs-bundle`,
    );
  }
  throw new TfjsBundleError(`${[...tool].join(" ")} ended with ${code}:`, stderr.trim());
}

function readRefusal(stdout: string): { what: string; cure: string } | undefined {
  try {
    return JSON.parse(stdout).error;
  } catch {
    return undefined; // not even a refusal: it was killed, or is another program
  }
}

interface Ended {
  code: number | string;
  stdout: string;
  stderr: string;
}

function run(program: string, given: readonly string[], root: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, given, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const stop = () => child.kill();
    process.once("exit", stop);
    const texts = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      texts.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      texts.stderr += text;
    });
    child.once("error", (error) => {
      process.off("exit", stop);
      reject(
        new TfjsBundleError(
          `${program} cannot be started: ${error.message}.`,
          "Correct `python` or `command` of tfjsBundle(), or leave it out.",
        ),
      );
    });
    child.once("close", (code, signal) => {
      process.off("exit", stop);
      resolve({ code: code ?? signal ?? "nothing", ...texts });
    });
  });
}
