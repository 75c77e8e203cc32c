import { CodedError } from "@skein/base";
import { runScenario, type ScenarioStep, scenarioFiles, updateScenarios } from "@skein/sim";
import { expect, test } from "vitest";
import type { DdlDialect } from "./core/collations.ts";
import type { ServerFlavor } from "./core/lexer.ts";
import { parseStatements } from "./core/parser.ts";
import { printStatement } from "./core/printer.ts";
import { parseCreateTable } from "./core/schema-tracker.ts";
import { ddlEventTypes, splitStatement } from "./core/statement-operations.ts";
import { targetCreateTable } from "./core/target-table.ts";

const version = { mysql: 90_700, mariadb: 101_100 };

function shown(error: unknown): string {
  if (!(error instanceof CodedError)) throw error;
  return `error ${error.code}: ${error.rawCause === "" ? error.detail : error.rawCause}`;
}

/** `mysql [sql_mode]` and text: what each statement is, in the family's own print. */
function statements(step: ScenarioStep): string {
  const flavor = step.command as ServerFlavor;
  try {
    return parseStatements(step.input, { flavor, version: version[flavor], sqlMode: step.args[0] ?? "" })
      .flatMap((statement) => {
        if (statement.kind === "other") return [`${statement.group}: ${statement.what}: ${statement.text}`];
        const events = ddlEventTypes(statement).join(", ");
        const parts = splitStatement(statement).map((part) => printStatement(part, { dialect: flavor }));
        if (parts.length === 1 && statement.kind !== "alterTable") return [`${parts[0]}  [${events}]`];
        return [`[${events}]`, ...parts.map((part) => `  ${part}`)];
      })
      .join("\n");
  } catch (error) {
    return shown(error);
  }
}

/** `from to` and SHOW CREATE TABLE. */
function targets(step: ScenarioStep): string {
  const flavor = step.command as ServerFlavor;
  try {
    const table = parseCreateTable(step.input, { flavor, version: version[flavor], schema: "s" });
    const { sql, notes } = targetCreateTable(table, { dialect: step.args[0] as DdlDialect });
    return [sql, ...notes.map((note) => `note: ${note}`)].join("\n");
  } catch (error) {
    return shown(error);
  }
}

for (const file of scenarioFiles(new URL("scenarios", import.meta.url).pathname)) {
  test(file.name, async () => {
    const { actual, expected } = await runScenario(file.text, file.name.startsWith("targets") ? targets : statements);
    if (updateScenarios) file.update(actual);
    else expect(actual).toBe(expected);
  });
}
