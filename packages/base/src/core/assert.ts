/** A bug of our own: never caught, never shown as a user's mistake. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Holds or the process is wrong about its own state: stays on in production. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new AssertionError(what);
}

/** Ends a `switch` over a union: a new member does not compile until it is handled. */
export function assertNever(value: never): never {
  throw new AssertionError(`a case is not handled: ${JSON.stringify(value)}`);
}
