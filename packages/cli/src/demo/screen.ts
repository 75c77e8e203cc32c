/** Where the demo tells its story: lines that stay, and on a terminal a view below them that is drawn over. */
import type { Io } from "../command.ts";
import { type DemoView, renderLine, renderView } from "./core/view.ts";

export interface Screen {
  /** A line that stays. */
  say(text: string): void;
  /** The view, drawn over the last one; without a terminal a line now and then. */
  show(view: DemoView): void;
  /** Lines that are drawn over. Nothing without a terminal. */
  draw(lines: readonly string[]): void;
  /** Takes the view away. */
  clear(): void;
}

/** What has scrolled off the top cannot be drawn over: a view never has more lines than the terminal. */
function shortened(lines: readonly string[], linesMax: number): readonly string[] {
  if (lines.length <= linesMax) return lines;
  const kept = Math.max(0, linesMax - 1);
  return [...lines.slice(0, kept), `… ${lines.length - kept} more lines in a taller terminal`].slice(0, Math.max(0, linesMax));
}

/** Without a terminal: one line of so many views. */
const viewsPerLine = 5;

export function createScreen(io: Io): Screen {
  let drawn: readonly string[] = [];
  let views = 0;
  const clear = () => {
    // a terminal that was made narrower since has broken the lines anew
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / io.columns)), 0);
    if (rows > 0) io.write(`\u001b[${rows}A\u001b[J`);
    drawn = [];
  };
  const draw = (lines: readonly string[]) => {
    if (!io.isTerminal) return;
    clear();
    drawn = shortened(lines, io.rows - 1);
    if (drawn.length > 0) io.write(`${drawn.join("\n")}\n`);
  };
  return {
    say: (text) => {
      clear();
      io.out(text);
    },
    show: (view) => {
      if (io.isTerminal) draw(renderView(view, io.columns));
      else if (views++ % viewsPerLine === 0) io.out(renderLine(view));
    },
    draw,
    clear,
  };
}
