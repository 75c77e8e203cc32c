import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Scenario files: text in, text out.
 *
 *   # a comment tells which rule the file proves
 *   command arg key=value
 *   more input lines
 *   ----
 *   expected output
 *
 * Blocks are separated by an empty line; output that holds empty lines is fenced by `----` twice on both sides.
 * `UPDATE=1` rewrites the outputs: read the diff before you keep it.
 */
export interface ScenarioStep {
  readonly command: string;
  /** Words after the command on its first line, quotes kept together. */
  readonly args: readonly string[];
  /** Lines below the command, up to `----`. */
  readonly input: string;
  readonly line: number;
}

export type ScenarioRunner = (step: ScenarioStep) => string | Promise<string>;

export interface ScenarioBlock extends ScenarioStep {
  readonly comments: readonly string[];
  readonly expected: string;
  readonly head: string;
}

export function parseScenario(text: string): ScenarioBlock[] {
  const lines = text.split("\n");
  const blocks: ScenarioBlock[] = [];
  let at = 0;
  while (at < lines.length) {
    const comments: string[] = [];
    while (at < lines.length && (lines[at] === "" || (lines[at] as string).startsWith("#"))) comments.push(lines[at++] as string);
    if (at >= lines.length) break;
    const line = at + 1;
    const head: string[] = [];
    while (at < lines.length && lines[at] !== "----") {
      if (lines[at] === "" && head.length > 0 && !lines.slice(at).includes("----")) break;
      head.push(lines[at++] as string);
    }
    if (lines[at] !== "----") throw new Error(`line ${line}: the command has no ---- below it`);
    at++;
    const fenced = lines[at] === "----";
    if (fenced) at++;
    const output: string[] = [];
    while (at < lines.length && !(fenced ? lines[at] === "----" && lines[at + 1] === "----" : lines[at] === ""))
      output.push(lines[at++] as string);
    if (fenced) at += 2;
    const [first = "", ...input] = head;
    const [command = "", ...args] = first.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
    blocks.push({ comments, command, args, input: input.join("\n"), expected: output.join("\n"), head: head.join("\n"), line });
  }
  return blocks;
}

export function renderScenario(blocks: readonly { comments: readonly string[]; head: string; output: string }[]): string {
  const parts = blocks.map(({ comments, head, output }) => {
    const body = output.includes("\n\n") || output.startsWith("\n") || output.startsWith("----") ? `----\n${output}\n----\n----` : output;
    return `${comments.map((comment) => `${comment}\n`).join("")}${head}\n----\n${body === "" ? "" : `${body}\n`}`;
  });
  return parts.map((part, index) => (index > 0 && !part.startsWith("\n") && !part.startsWith("#") ? `\n${part}` : part)).join("");
}

/** Runs one file; gives the text as it should be, to be compared with (or, under UPDATE=1, written over) the text as it is. */
export async function runScenario(text: string, run: ScenarioRunner): Promise<{ actual: string; expected: string }> {
  const blocks = parseScenario(text);
  const done: { comments: readonly string[]; head: string; output: string }[] = [];
  for (const block of blocks) done.push({ comments: block.comments, head: block.head, output: (await run(block)).replace(/\n+$/, "") });
  const expected = renderScenario(blocks.map(({ comments, head, expected: output }) => ({ comments, head, output })));
  return { actual: renderScenario(done), expected };
}

/** Every `.txt` below a folder, with its text and a way to rewrite it. */
export function scenarioFiles(folder: string): { name: string; text: string; update: (text: string) => void }[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".txt"))
    .sort()
    .map((name) => {
      const path = join(folder, name);
      return { name, text: readFileSync(path, "utf8"), update: (text) => writeFileSync(path, text) };
    });
}

/** True when the run should rewrite expected outputs. */
export const updateScenarios = process.env["UPDATE"] === "1";
