/**
 * Coded errors, in the text form that operators' scripts already parse:
 *
 *   [code=38026:class=dm-master:scope=internal:level=high], Message: …, RawCause: …, Workaround: …
 *
 * Absent parts are left out. Products keep one table of `define()`d errors each; match on `code`, never on text.
 */

export type ErrorScope = "not-set" | "upstream" | "downstream" | "internal";
export type ErrorLevel = "low" | "medium" | "high";

export interface ErrorDefinition<Args extends readonly unknown[]> {
  readonly code: number;
  readonly class: string;
  readonly scope: ErrorScope;
  readonly level: ErrorLevel;
  /** What happened, from the arguments that name the thing it happened to. */
  readonly message: (...args: Args) => string;
  /** The next step of the person who reads it. */
  readonly workaround?: string;
}

export interface CodedErrorFields {
  readonly code: number;
  readonly class: string;
  readonly scope: ErrorScope;
  readonly level: ErrorLevel;
  readonly detail: string;
  readonly rawCause: string;
  readonly workaround: string;
}

export class CodedError extends Error implements CodedErrorFields {
  override readonly name = "CodedError";
  readonly code: number;
  readonly class: string;
  readonly scope: ErrorScope;
  readonly level: ErrorLevel;
  /** The message alone, without code, cause and workaround. */
  readonly detail: string;
  readonly rawCause: string;
  readonly workaround: string;

  constructor(fields: CodedErrorFields, cause?: unknown) {
    super(formatCodedError(fields), cause === undefined ? undefined : { cause });
    this.code = fields.code;
    this.class = fields.class;
    this.scope = fields.scope;
    this.level = fields.level;
    this.detail = fields.detail;
    this.rawCause = fields.rawCause;
    this.workaround = fields.workaround;
  }

  /** The same error seen from another part: only class, scope, level or the next step change, or a line is put before the detail. */
  with(change: { class?: string; scope?: ErrorScope; level?: ErrorLevel; annotate?: string; workaround?: string }): CodedError {
    const detail = change.annotate === undefined ? this.detail : `${change.annotate}: ${this.detail}`;
    return new CodedError(
      {
        code: this.code,
        class: change.class ?? this.class,
        scope: change.scope ?? this.scope,
        level: change.level ?? this.level,
        detail,
        rawCause: this.rawCause,
        workaround: change.workaround ?? this.workaround,
      },
      this.cause,
    );
  }
}

export function formatCodedError(fields: CodedErrorFields): string {
  const parts = [`[code=${fields.code}:class=${fields.class}:scope=${fields.scope}:level=${fields.level}]`, `Message: ${fields.detail}`];
  if (fields.rawCause !== "") parts.push(`RawCause: ${fields.rawCause}`);
  if (fields.workaround !== "") parts.push(`Workaround: ${fields.workaround}`);
  return parts.join(", ");
}

export interface DefinedError<Args extends readonly unknown[]> extends ErrorDefinition<Args> {
  /** Makes the error; a second parameter keeps what caused it. */
  (args: Args, cause?: unknown): CodedError;
  readonly is: (error: unknown) => error is CodedError;
}

/** Declares one error of a product's table. Calling the result makes an instance: `throw dmErrors.x([name], cause)`. */
export function define<const Args extends readonly unknown[]>(definition: ErrorDefinition<Args>): DefinedError<Args> {
  const make = (args: Args, cause?: unknown): CodedError =>
    new CodedError(
      {
        code: definition.code,
        class: definition.class,
        scope: definition.scope,
        level: definition.level,
        detail: definition.message(...args),
        rawCause: cause === undefined ? "" : causeText(cause),
        workaround: definition.workaround ?? "",
      },
      cause,
    );
  return Object.assign(make, {
    ...definition,
    is: (error: unknown): error is CodedError => error instanceof CodedError && error.code === definition.code,
  });
}

/** The text of what was thrown: a coded cause keeps its own form, so that no code is lost in a chain. */
export function causeText(cause: unknown): string {
  if (cause instanceof CodedError) return cause.message;
  if (cause instanceof Error) return cause.message;
  return String(cause);
}

export function isCodedError(error: unknown): error is CodedError {
  return error instanceof CodedError;
}
