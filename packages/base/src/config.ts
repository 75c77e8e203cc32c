/**
 * Config files: text → parsed value → checked shape. Products turn a `ConfigProblem` into their own coded error.
 *
 * A problem names the file, the key path and the value. Bombs are refused: aliases in YAML are limited, texts are limited.
 */
import { type Static, type TObject, type TProperties, type TSchema, Type } from "@sinclair/typebox";
import { Value, ValueErrorType } from "@sinclair/typebox/value";
import { parse as parseTomlText, stringify as stringifyToml, TomlError } from "smol-toml";
import { parseDocument } from "yaml";

export type { Static, TObject, TProperties, TSchema };
export { stringifyToml, Type };

export interface ConfigProblem {
  readonly file: string;
  /** `purge.interval`, `mysql-instances[0].source-id`; "" when the text itself cannot be read. */
  readonly path: string;
  readonly kind: "syntax" | "unknown-key" | "type" | "value";
  /** A sentence without file and path. */
  readonly message: string;
}

export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatConfigProblem).join("; "));
    this.problems = problems;
  }
}

export function formatConfigProblem(problem: ConfigProblem): string {
  return problem.path === "" ? `${problem.file}: ${problem.message}` : `${problem.file}: ${problem.path}: ${problem.message}`;
}

const textLimit = 4 * 1024 * 1024;

/** The value of a YAML text. Duplicate keys, unknown tags and more than 100 alias expansions are problems. */
export function parseYaml(text: string, file: string): unknown {
  refuseHuge(text, file);
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true, version: "1.2" });
  const first = document.errors[0];
  if (first !== undefined) throw new ConfigError([syntaxProblem(file, first.message)]);
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new ConfigError([syntaxProblem(file, error instanceof Error ? error.message : String(error))]);
  }
}

/** The value of a TOML text; whole numbers over 2^53 are a problem, not a rounded number. */
export function parseToml(text: string, file: string): Record<string, unknown> {
  refuseHuge(text, file);
  try {
    return parseTomlText(text);
  } catch (error) {
    if (error instanceof TomlError || error instanceof Error) throw new ConfigError([syntaxProblem(file, error.message)]);
    throw error;
  }
}

function refuseHuge(text: string, file: string): void {
  if (text.length > textLimit) throw new ConfigError([syntaxProblem(file, `${text.length} characters are over the limit of ${textLimit}`)]);
}

function syntaxProblem(file: string, message: string): ConfigProblem {
  return { file, path: "", kind: "syntax", message };
}

/**
 * Fills defaults, then checks `value` against `schema`; throws a `ConfigError` that lists every problem.
 * Objects declared with `additionalProperties: false` refuse unknown keys. The input is not changed.
 */
export function checkShape<T extends TSchema>(schema: T, value: unknown, file: string): Static<T> {
  const filled = Value.Default(schema, structuredClone(value));
  const problems = [...Value.Errors(schema, filled)].map((error): ConfigProblem => {
    const path = dottedPath(error.path);
    if (error.type === ValueErrorType.ObjectAdditionalProperties) return { file, path, kind: "unknown-key", message: "unknown key" };
    if (error.type === ValueErrorType.ObjectRequiredProperty) return { file, path, kind: "value", message: "is required" };
    const shown = preview(error.value);
    const kind = error.message.startsWith("Expected") && !/(greater|less|match|length|union value)/.test(error.message) ? "type" : "value";
    return { file, path, kind, message: `${shown} is refused: ${lowerFirst(error.message)}` };
  });
  if (problems.length > 0) throw new ConfigError(distinctPaths(problems));
  return filled;
}

/** One problem a path: the validator reports a missing key twice, as missing and as of the wrong type. */
function distinctPaths(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const seen = new Set<string>();
  return problems.filter((problem) => !seen.has(problem.path) && seen.add(problem.path));
}

/** `/mysql-instances/0/source-id` → `mysql-instances[0].source-id` */
function dottedPath(pointer: string): string {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === "" ? part : `${path}.${part}`), "");
}

function preview(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
