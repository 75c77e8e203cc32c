/** Splits a line as a shell does: quotes, backslashes; no variables, no globs. Null when a quote is not closed. */
export function splitWords(line: string): string[] | null {
  const words: string[] = [];
  let word = "";
  let isOpen = false;
  let quote = "";
  for (let at = 0; at < line.length; at++) {
    const letter = line[at] as string;
    if (quote === "'") {
      if (letter === "'") quote = "";
      else word += letter;
    } else if (letter === "\\" && at + 1 < line.length) {
      const next = line[++at] as string;
      word += quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next;
      isOpen = true;
    } else if (quote === '"') {
      if (letter === '"') quote = "";
      else word += letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      isOpen = true;
    } else if (/\s/.test(letter)) {
      if (isOpen) words.push(word);
      word = "";
      isOpen = false;
    } else {
      word += letter;
      isOpen = true;
    }
  }
  if (quote !== "") return null;
  if (isOpen) words.push(word);
  return words;
}
