/** A refusal, as the Python tool's are: what happened, and what to do about it. */
export class TfjsBundleError extends Error {
  override readonly name = "TfjsBundleError";
  constructor(
    readonly what: string,
    readonly cure = "",
  ) {
    super(cure ? `${what}\n${cure}` : what);
  }
}
