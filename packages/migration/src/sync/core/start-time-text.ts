/** The text of `--start-time`. */

export interface StartTime {
  /** `YYYY-MM-DD hh:mm:ss`; in the source's time zone when `utcSeconds` is null. */
  readonly local: string;
  /** Unix time in seconds, when the text names its zone. */
  readonly utcSeconds: number | null;
}

const form = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:(Z)|([+-]\d\d):?(\d\d))?$/;

export const startTimeForms =
  "error while parse start-time, expected in the format like '2006-01-02 15:04:05' or '2006-01-02T15:04:05', with an optional zone 'Z' or '+08:00'";

/** `YYYY-MM-DD hh:mm:ss` or with `T`, then nothing, `Z`, `±hh:mm` or `±hhmm`. Null: another form, or no time of the calendar. */
export function parseStartTime(text: string): StartTime | null {
  const match = form.exec(text);
  if (match === null) return null;
  const [, date = "", time = "", z, hours, minutes] = match;
  const asUtc = Date.parse(`${date}T${time}Z`);
  // The calendar of the language takes 24:00:00 and the 31st of February.
  if (Number.isNaN(asUtc) || new Date(asUtc).toISOString().slice(0, 19) !== `${date}T${time}`) return null;
  const local = `${date} ${time}`;
  if (z !== undefined) return { local, utcSeconds: asUtc / 1000 };
  if (hours === undefined || minutes === undefined) return { local, utcSeconds: null };
  if (Math.abs(Number(hours)) > 14 || Number(minutes) > 59) return null;
  const offset = Math.abs(Number(hours)) * 3600 + Number(minutes) * 60;
  return { local, utcSeconds: asUtc / 1000 - (hours.startsWith("-") ? -offset : offset) };
}
