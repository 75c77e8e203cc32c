/** Changes to the list of partitions in a PARTITION BY clause, on its text: `RANGE (a) (PARTITION p0 VALUES LESS THAN (5), …)`. */
import type { AlterChange } from "./ast.ts";
import { createLexer, type Token, tokensSql } from "./lexer.ts";

type PartitionChange = Extract<
  AlterChange,
  {
    kind:
      | "addPartition"
      | "dropPartition"
      | "coalescePartition"
      | "reorganizePartition"
      | "convertPartitionToTable"
      | "convertTableToPartition";
  }
>;

const partitionChanges = new Set<AlterChange["kind"]>([
  "addPartition",
  "dropPartition",
  "coalescePartition",
  "reorganizePartition",
  "convertPartitionToTable",
  "convertTableToPartition",
]);

export function isPartitionChange(change: AlterChange): change is PartitionChange {
  return partitionChanges.has(change.kind);
}

interface Clause {
  /** Up to the list, without PARTITIONS n. */
  readonly head: string;
  /** `PARTITIONS n`, when there is no list. */
  readonly count: number;
  readonly partitions: readonly { readonly name: string; readonly text: string }[];
}

export function changePartitions(text: string, change: PartitionChange): string {
  const clause = parseClause(text);
  const named = clause.partitions.length > 0;
  const listed = (name: string) => clause.partitions.findIndex((one) => one.name.toLowerCase() === name.toLowerCase());
  switch (change.kind) {
    case "addPartition": {
      const count = /^PARTITIONS (\d+)$/.exec(change.text);
      if (count === null) return print({ ...clause, partitions: [...clause.partitions, ...parseList(change.text)] });
      if (!named) return print({ ...clause, count: clause.count + Number(count[1]) });
      const added = Array.from({ length: Number(count[1]) }, (_, index) => partitionNamed(`p${clause.partitions.length + index}`));
      return print({ ...clause, partitions: [...clause.partitions, ...added] });
    }
    case "coalescePartition":
      if (!named) return print({ ...clause, count: Math.max(1, clause.count - change.count) });
      return print({ ...clause, partitions: clause.partitions.slice(0, -change.count) });
    case "dropPartition": {
      const dropped = new Set(change.names.map((name) => name.toLowerCase()));
      return print({ ...clause, partitions: clause.partitions.filter((one) => !dropped.has(one.name.toLowerCase())) });
    }
    case "convertPartitionToTable":
      return print({ ...clause, partitions: clause.partitions.filter((_, index) => index !== listed(change.partition)) });
    case "convertTableToPartition": {
      const one = { name: change.partition, text: `PARTITION \`${change.partition.replaceAll("`", "``")}\` ${change.text}` };
      return print({ ...clause, partitions: [...clause.partitions, one] });
    }
    case "reorganizePartition": {
      const [first] = change.names;
      if (first === undefined || change.text === undefined) return text;
      const from = listed(first);
      if (from === -1) return text;
      const partitions = [...clause.partitions];
      partitions.splice(from, change.names.length, ...parseList(change.text));
      return print({ ...clause, partitions });
    }
  }
}

const partitionNamed = (name: string) => ({ name, text: `PARTITION \`${name}\`` });

function print(clause: Clause): string {
  if (clause.partitions.length > 0) return `${clause.head} (${clause.partitions.map((one) => one.text).join(", ")})`;
  return `${clause.head} PARTITIONS ${clause.count}`;
}

function tokensOf(text: string): Token[] {
  const lexer = createLexer(text, { flavor: "mariadb" });
  const tokens: Token[] = [];
  for (let token = lexer.next(); token.kind !== "end"; token = lexer.next()) tokens.push(token);
  return tokens;
}

function parseClause(text: string): Clause {
  const tokens = tokensOf(text);
  let depth = 0;
  let listFrom = tokens.length;
  let count = 1;
  const head: Token[] = [];
  for (const [index, token] of tokens.entries()) {
    if (depth === 0 && token.text === "(" && token.kind === "operator" && tokens[index + 1]?.keyword === "PARTITION") {
      listFrom = index;
      break;
    }
    if (token.kind === "operator" && token.text === "(") depth += 1;
    if (token.kind === "operator" && token.text === ")") depth -= 1;
    if (depth === 0 && token.keyword === "PARTITIONS") {
      count = Number(tokens[index + 1]?.text);
      continue;
    }
    if (depth === 0 && tokens[index - 1]?.keyword === "PARTITIONS") continue;
    head.push(token);
  }
  return { head: tokensSql(head), count, partitions: listOf(tokens.slice(listFrom)) };
}

function parseList(text: string): Clause["partitions"] {
  return listOf(tokensOf(text));
}

/** `(`, definitions between commas, `)` */
function listOf(tokens: readonly Token[]): Clause["partitions"] {
  const partitions: { name: string; text: string }[] = [];
  let depth = 0;
  let one: Token[] = [];
  const close = () => {
    if (one.length > 0) partitions.push({ name: one[1]?.text ?? "", text: tokensSql(one) });
    one = [];
  };
  for (const token of tokens) {
    if (token.kind === "operator" && token.text === "(") {
      depth += 1;
      if (depth === 1) continue;
    }
    if (token.kind === "operator" && token.text === ")") depth -= 1;
    if (depth === 0) {
      close();
      break;
    }
    if (depth === 1 && token.kind === "operator" && token.text === ",") close();
    else one.push(token);
  }
  return partitions;
}
