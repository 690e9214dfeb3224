/** `useModel`: a model in a React component, with its progress and what went wrong. */

import { useEffect, useState } from "react";

/** Bytes. */
export interface Progress {
  loaded: number;
  total: number;
  fromCache: boolean;
}

interface LoadOptions {
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

export type ModelState<Model> =
  | { status: "loading"; model: undefined; progress: Progress | undefined; error: undefined }
  | { status: "ready"; model: Model; progress: Progress | undefined; error: undefined }
  | { status: "error"; model: undefined; progress: Progress | undefined; error: Error };

const LOADING = { status: "loading", model: undefined, progress: undefined, error: undefined } as const;

/**
 * Load a model while the component is shown: `useModel(loadModel)`, or with options such as `{ backend: "wasm" }`.
 *
 * The model is disposed of when the component goes. Other options load it again when `loadModel` or the
 * options' values change, not when only the object is another one.
 */
export function useModel<Model extends { dispose(): void }, Options extends LoadOptions>(
  loadModel: (options?: Options) => Promise<Model>,
  options?: Omit<Options, "signal" | "onProgress">,
): ModelState<Model> {
  const [state, setState] = useState<ModelState<Model>>(LOADING);
  const key = JSON.stringify(options);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for the options by their values
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const tell = (change: (before: ModelState<Model>) => ModelState<Model>) => {
      if (!signal.aborted) setState(change);
    };
    setState(LOADING);
    const asked = {
      ...options,
      signal,
      onProgress: (progress: Progress) => tell((before) => ({ ...before, progress })),
    } as unknown as Options;
    const loading = loadModel(asked);
    loading.then(
      (model) => tell(({ progress }) => ({ status: "ready", model, progress, error: undefined })),
      (error) => tell(({ progress }) => ({ status: "error", model: undefined, progress, error })),
    );
    return () => {
      abort.abort();
      loading.then(
        (model) => model.dispose(),
        () => undefined,
      );
    };
  }, [loadModel, key]);

  return state;
}
