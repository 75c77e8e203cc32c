/** Whether a request fits its shape; the texts are those that clients of the original know. */
import type { Shape } from "./document.ts";

/** Null when it fits, else the first thing that does not: `Error at "/source/port": property "port" is missing`. */
export function shapeProblem(shape: Shape, value: unknown, path = ""): string | null {
  if (value === null) return shape.nullable === true ? null : at(path, "Value is not nullable");
  if (!hasType(shape, value)) return at(path, `Field must be set to ${shape.type} or not be present`);
  if (shape.enum !== undefined && !shape.enum.includes(value as string))
    return at(path, `value ${JSON.stringify(value)} is not one of the allowed values`);
  if (shape.items !== undefined)
    for (const [index, item] of (value as readonly unknown[]).entries()) {
      const problem = shapeProblem(shape.items, item, `${path}/${index}`);
      if (problem !== null) return problem;
    }
  if (shape.type !== "object") return null;
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name of [...(shape.required ?? [])].sort())
    if (fields[name] === undefined) return at(`${path}/${name}`, `property ${JSON.stringify(name)} is missing`);
  for (const name of Object.keys(fields).sort()) {
    const inner = shape.properties?.[name] ?? shape.additionalProperties;
    const problem = inner === undefined ? null : shapeProblem(inner, fields[name], `${path}/${name}`);
    if (problem !== null) return problem;
  }
  return null;
}

function hasType(shape: Shape, value: unknown): boolean {
  switch (shape.type) {
    case "object":
      return typeof value === "object" && !Array.isArray(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isSafeInteger(value);
    case "string":
    case "boolean":
    case "number":
      return typeof value === shape.type;
  }
}

function at(path: string, problem: string): string {
  return `Error at ${JSON.stringify(path)}: ${problem}`;
}

/** A query value by its shape; undefined when it does not fit. Lists come as repeated names, or with commas. */
export function queryValue(shape: Shape, values: readonly string[]): unknown {
  const [value = ""] = values;
  switch (shape.type) {
    case "boolean":
      return value === "true" || value === "1" ? true : value === "false" || value === "0" ? false : undefined;
    case "integer":
    case "number":
      return /^-?\d{1,15}$/.test(value) ? Number(value) : undefined;
    case "array":
      return values.flatMap((each) => each.split(",")).filter((each) => each !== "");
    case "string":
      return shape.enum !== undefined && !shape.enum.includes(value) ? undefined : value;
    case "object":
      return undefined;
  }
}
