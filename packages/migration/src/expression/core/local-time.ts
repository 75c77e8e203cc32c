/** TIMESTAMP columns are stored in UTC and compared in the session's time zone. */

/** From UTC to `timezone`: "" is UTC, else `±hh:mm` or an IANA name. */
export function localTimeOf(timezone: string): (utc: string) => string {
  const fixed = /^([+-])(\d{1,2}):(\d{2})$/.exec(timezone);
  if (fixed !== null) {
    const offset = (Number(fixed[2]) * 60 + Number(fixed[3])) * 60 * (fixed[1] === "-" ? -1 : 1);
    return (utc) => shift(utc, () => offset);
  }
  if (timezone === "") return (utc) => utc;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return (utc) =>
    shift(utc, (epoch) => {
      const parts = Object.fromEntries(format.formatToParts(epoch * 1_000).map(({ type, value }) => [type, Number(value)]));
      const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
      return daysOf(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - epoch;
    });
}

function shift(utc: string, offsetAt: (epochSeconds: number) => number): string {
  const match = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(\.\d+)?$/.exec(utc);
  if (match === null || match[2] === "00") return utc;
  const part = (index: number) => Number(match[index]);
  const epoch = daysOf(part(1), part(2), part(3)) * 86_400 + part(4) * 3_600 + part(5) * 60 + part(6);
  const local = epoch + offsetAt(epoch);
  const days = Math.floor(local / 86_400);
  const seconds = local - days * 86_400;
  const two = (value: number) => String(value).padStart(2, "0");
  const [year, month, day] = dateOf(days);
  const time = `${two(Math.floor(seconds / 3_600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)} ${time}${match[7] ?? ""}`;
}

/** Days since 1970-01-01, in the Gregorian calendar; years start in March, so that leap days come last. */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468;
}

function dateOf(days: number): [number, number, number] {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const ofEra = z - era * 146_097;
  const y = Math.floor((ofEra - Math.floor(ofEra / 1_460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365);
  const ofYear = ofEra - (365 * y + Math.floor(y / 4) - Math.floor(y / 100));
  const mp = Math.floor((5 * ofYear + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  return [y + era * 400 + (month <= 2 ? 1 : 0), month, ofYear - Math.floor((153 * mp + 2) / 5) + 1];
}
