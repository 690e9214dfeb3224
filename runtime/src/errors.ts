/** What went wrong, for a program; the message says it to a person. */
export type BundleErrorCode =
  | "network"
  | "integrity"
  | "unsupported"
  | "input"
  | "quota"
  | "backend"
  | "aborted";

/**
 * Every failure of the runtime. The message begins with the code and is written for
 * the visitor: what happened, with which file or input, and what helps.
 */
export class BundleError extends Error {
  override readonly name = "BundleError";
  readonly code: BundleErrorCode;

  constructor(code: BundleErrorCode, message: string, options?: { cause?: unknown }) {
    super(`${code}: ${message}`, options);
    this.code = code;
  }
}

/** Return whether `error` is a BundleError, also one that came through another copy of this module. */
export function isBundleError(error: unknown): error is BundleError {
  return error instanceof Error && error.name === "BundleError" && "code" in error;
}

/** Return the error for a call that its caller gave up. */
export function abortedError(signal?: AbortSignal): BundleError {
  return new BundleError("aborted", "the work was stopped before it was done.", {
    cause: signal?.reason,
  });
}

/** Throw an `aborted` BundleError when `signal` says stop. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw abortedError(signal);
}
