/** What an operator told to do with the statement at a position: `binlog skip | replace | inject | revert | list`. */
import { formatPosition, type Position, parsePosition } from "@skein/mysql";

export type OperatorKind = "skip" | "replace" | "inject";

export interface Operator {
  readonly kind: OperatorKind;
  readonly position: Position;
  /** Of replace and inject. */
  readonly sqls: readonly string[];
}

/** As `binlog list` shows them. */
const kindNumbers: Readonly<Record<OperatorKind, number>> = { skip: 1, replace: 2, inject: 4 };

export class Operators {
  readonly #byPlace = new Map<string, Operator[]>();
  /** Where the statement begins that stopped the unit; null when the last stop had another reason. */
  errorPosition: Position | null = null;
  isDdlError = false;

  set(operator: Operator): void {
    const key = placeOf(operator.position);
    const others = (this.#byPlace.get(key) ?? []).filter(({ kind }) => (kind === "inject") !== (operator.kind === "inject"));
    this.#byPlace.set(key, [...others, operator]);
  }

  /** False when there was none. */
  revert(position: Position): boolean {
    return this.#byPlace.delete(placeOf(position));
  }

  at(position: Position): readonly Operator[] {
    return this.#byPlace.size === 0 ? [] : (this.#byPlace.get(placeOf(position)) ?? []);
  }

  list(): readonly Operator[] {
    return [...this.#byPlace.keys()].sort().flatMap((key) => this.#byPlace.get(key) ?? []);
  }

  listJson(): string {
    return JSON.stringify(
      this.list().map(({ kind, position, sqls }) => ({
        op: kindNumbers[kind],
        binlogPos: formatPosition(position),
        sqls,
      })),
    );
  }
}

/** `mysql-bin.000001:3270`, `(mysql-bin.000001, 3270)`; throws a RangeError on anything else. */
export function operatorPosition(text: string): Position {
  return parsePosition(text);
}

function placeOf({ file, offset }: Position): string {
  return `${file}:${offset}`;
}
