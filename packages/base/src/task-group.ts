/**
 * Owned concurrent work. Children get one signal; the first failure aborts the siblings and is rethrown by `join()`.
 * Leaving an `await using` block aborts and awaits all children, so nothing outlives its owner.
 */
export class TaskGroup implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #children = new Set<Promise<void>>();
  readonly #detach: () => void;
  #failure: { readonly error: unknown } | undefined;

  constructor(parent?: AbortSignal) {
    const onAbort = () => this.#controller.abort(parent?.reason);
    if (parent?.aborted) onAbort();
    parent?.addEventListener("abort", onAbort, { once: true });
    this.#detach = () => parent?.removeEventListener("abort", onAbort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  spawn(run: (signal: AbortSignal) => Promise<void>): void {
    const child = (async () => {
      try {
        await run(this.signal);
      } catch (error) {
        if (this.#failure === undefined && !(this.signal.aborted && isAbort(error, this.signal))) this.#failure = { error };
        this.#controller.abort(error);
      }
    })();
    this.#children.add(child);
    void child.then(() => this.#children.delete(child));
  }

  /** Waits for all children, those that are spawned meanwhile too. Throws the first failure, or the parent's abort reason. */
  async join(): Promise<void> {
    while (this.#children.size > 0) await Promise.all(this.#children);
    this.#detach();
    if (this.#failure !== undefined) throw this.#failure.error;
    this.signal.throwIfAborted();
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort(new DOMException("the task group was left", "AbortError"));
    while (this.#children.size > 0) await Promise.all(this.#children);
    this.#detach();
  }
}

/** Whether an error only says that the work was asked to stop. */
export function isAbort(error: unknown, signal?: AbortSignal): boolean {
  if (signal?.aborted === true && error === signal.reason) return true;
  return error instanceof Error && error.name === "AbortError";
}
