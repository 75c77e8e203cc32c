/** A value that must not reach logs, audit files or error texts: printed as `******`; `reveal()` is the one way out. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  get isEmpty(): boolean {
    return this.#value === "";
  }
  toString(): string {
    return "******";
  }
  toJSON(): string {
    return "******";
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "******";
  }
}
