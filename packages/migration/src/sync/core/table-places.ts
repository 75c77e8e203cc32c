/**
 * How far single tables are ahead of the checkpoint.
 *
 * Changes of a table whose rows no key finds are right only when they are applied once. Where the checkpoint cannot move with
 * them, because their transaction is larger than a batch, their place is written in the same target transaction, into the
 * table's own row of the checkpoint; a restart leaves out what is at or before it (SPEC.md S15).
 *
 *   checkpoint ─── begin ─ rows 1 ─ rows 2 ─ rows 3 ─ … ─ commit
 *                                     ▲ place of table k: what rows 1 and 2 changed in k is there, and is not changed again
 */
import { comparePositions, type Position } from "@skein/mysql";

export interface TablePlace {
  /** Where the rows event ends. */
  readonly position: Position;
  /** Number of the rows event in its transaction, from 1 on: events of a compressed transaction all end where it ends. 0: of none. */
  readonly rowsEvent: number;
}

export class TablePlaces {
  readonly #places = new Map<string, TablePlace>();

  /** `key` names the source's table. Places that the checkpoint has passed need not be said. */
  note(key: string, place: TablePlace): void {
    this.#places.set(key, place);
  }

  /** The rows event was applied to this table before. */
  isPassed(key: string, event: TablePlace): boolean {
    if (this.#places.size === 0) return false;
    const place = this.#places.get(key);
    return place !== undefined && compare(event, place) <= 0;
  }

  /** What the table's row of the checkpoint has to say when the checkpoint is at `position`: never less than it said. */
  atLeast(key: string, position: Position): TablePlace {
    const place = this.#places.get(key);
    if (place !== undefined && comparePositions(place.position, position) > 0) return place;
    return { position, rowsEvent: 0 };
  }
}

function compare(a: TablePlace, b: TablePlace): number {
  return comparePositions(a.position, b.position) || a.rowsEvent - b.rowsEvent;
}
